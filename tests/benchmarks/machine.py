"""Which machine a table comes from: without that its figures mean little."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path


def about() -> str:
    """One line: day, processor, system, engines, load."""
    said = (
        time.strftime("%Y-%m-%d"), f"{os.cpu_count()} x {_processor()}",
        f"Linux {platform.release().split('-')[0]}", f"Python {platform.python_version()}",
        _version("podman"), _version("dockerd"), f"load before it {_load()}",
    )
    return ", ".join(part for part in said if part) + "."


def _load() -> str:
    if sys.platform == "win32":
        return "unknown"
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(program: str) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20,
                              check=False)
    except OSError:
        return ""
    words = done.stdout.replace(",", "").split()
    number = next((word for word in words if word[0].isdigit()), "?")
    return f"{program} {number}"
