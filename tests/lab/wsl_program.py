"""Plays `wsl`: `wsl -d DISTRO [-u USER]` gives a shell inside another root, `wsl -l -v` a list.

Run by the `wsl` that :mod:`tests.lab.wsl` puts on a PATH, without any site packages. As the real
one it is only a relay: the shell lives elsewhere, has nothing of our environment, begins in what
the distro calls our directory, and notices the relay's end by the end of its input.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from typing import Any

_NOISE = b"wsl: Failed to mount E:\\, see dmesg for more details.\r\n"
_LAST_WORDS = 0.2


def main(config: str, words: list[str]) -> int:
    """Do as the words say."""
    with open(config, encoding="utf-8") as file:
        known: dict[str, Any] = json.load(file)
    with open(f"{config}.calls", "a+", encoding="utf-8") as calls:
        calls.write(" ".join(words) + "\n")
        calls.seek(0)
        times = calls.read().splitlines().count(" ".join(words))
    if known["broken"]:
        return say(known["broken"])
    if words[:2] == ["-l", "-v"]:
        sys.stdout.buffer.write(known["list"].encode("utf-16-le"))
        return 0
    chosen = dict(zip(words[::2], words[1::2], strict=False))
    distro = known["distros"].get(chosen.get("-d"))
    if distro is None:
        return say("There is no distribution with the supplied name.\r\n"
                   "Error code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n")
    if distro.get("says"):
        return say(distro["says"])
    if times <= distro.get("times", 0):
        os.close(1)
        time.sleep(_LAST_WORDS)  # on a busy computer they come after the output's end
        os.write(2, distro["last_words"].encode())
        return int(distro["ends"])
    if distro.get("hangs"):
        while sys.stdin.buffer.read(1):
            pass
        return 1
    time.sleep(distro.get("waits", 0))
    return relay([*distro["enter"], "/bin/sh", "-c", _BEGIN, _there(known), *distro["shell"]])


_BEGIN = 'cd "$0" 2>/dev/null || cd; exec "$@"'


def say(text: str) -> int:
    """What `wsl` itself says goes to its standard output, as UTF-16."""
    sys.stdout.buffer.write(text.encode("utf-16-le"))
    return 255


def _there(known: dict[str, Any]) -> str:
    """What the distro calls our directory; its root where it is on no shared drive."""
    here, drive = os.path.realpath(os.getcwd()), known["drive"]
    inside = here == drive or here.startswith(drive + "/")
    return f"/mnt/c{here[len(drive):]}" if inside else "/"


def relay(words: list[str]) -> int:
    """Run a shell and pass on what is said, until it ends."""
    os.write(1, _NOISE)
    shell = subprocess.Popen(
        words, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    assert shell.stderr is not None
    ways = {0: shell.stdin.fileno(), shell.stdout.fileno(): 1, shell.stderr.fileno(): 2}
    while len(ways) > 1 or 0 not in ways:
        ready = select.select(list(ways), (), (), _LAST_WORDS)[0]
        if not ready and shell.poll() is not None:
            break
        for source in ready:
            if not _pass_on(source, ways[source]):
                if source == 0:
                    shell.stdin.close()
                del ways[source]
    return shell.wait()


def _pass_on(source: int, target: int) -> bool:
    piece = os.read(source, 65536)
    try:
        while piece:
            piece = piece[os.write(target, piece):]
            if not piece:
                return True
    except OSError:
        return True  # nobody hears it: go on, until the shell notices
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
