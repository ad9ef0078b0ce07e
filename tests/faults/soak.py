"""`make soak MINUTES=30`: random kills on both engines and random schedules in the model, for as
long as wanted; prints what was tried, and how much work was lost, which must be none.

With ``--write`` the figures go into docs/reliability.md, between ``<!-- soak -->`` and
``<!-- /soak -->``.
"""

from __future__ import annotations

import argparse
import platform
import random
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.jobs import SEAMS, counting, surroundings
from tests.faults.model import Move, Wrong
from tests.faults.random_moments import Tally, torment
from tests.faults.schedules import live
from tests.lab.engines import Lab, Missing, close_labs, open_lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import CHECKOUT
from wrapper.engine.answers import EngineKind

DOCS = CHECKOUT / "docs" / "reliability.md"
SCHEDULES_A_ROUND = 200
KILLS_A_JOB = 12
CODE = 4


def main() -> int:
    """Soak; 0 where nothing was wrong."""
    words = argparse.ArgumentParser(description="Try to make docker_wrapper lose work.")
    words.add_argument("--minutes", type=float, default=30.0)
    words.add_argument("--seed", type=int, default=int(time.time()))
    words.add_argument("--write", action="store_true", help="put the figures into the docs")
    options = words.parse_args()
    wrong, tallies, took = soak(options.minutes * 60, options.seed)
    text = report(tallies, took, options.seed)
    print(text)
    print("\n".join(wrong))
    if options.write:
        write(text)
    return 1 if wrong else 0


def soak(seconds: float, seed: int) -> tuple[list[str], dict[str, Tally], float]:
    """What was wrong, what was tried by engine, and how long it took in s."""
    labs = _labs()
    tallies = {kind.value: Tally() for kind in labs} | {"model": Tally()}
    wrong: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - began < seconds and len(wrong) < 10:
            for kind, lab in labs.items():
                seed += 1
                wrong += _job(lab, Path(folder) / f"{kind.value}{seed}", seed, tallies[kind.value])
            wrong += _schedules(Path(folder), seed, tallies["model"])
            print(f"{time.monotonic() - began:6.0f} s, seed {seed}: " + "; ".join(
                f"{name}: {tally.line}" for name, tally in tallies.items()), flush=True)
    close_labs()
    return wrong, tallies, time.monotonic() - began


def _labs() -> dict[EngineKind, Lab]:
    labs = {}
    for kind in EngineKind:
        try:
            labs[kind] = open_lab(kind)
            labs[kind].base_image()
        except Missing as reason:
            print(f"no {kind.value}: {reason}", file=sys.stderr)
    return labs


def _job(lab: Lab, folder: Path, seed: int, tally: Tally) -> list[str]:
    work = counting(f"soak{seed}", CODE)
    with PlayedClient(folder, work, surroundings(lab), command=SEAMS) as client:
        wrong = torment(lab, client, seed, KILLS_A_JOB, CODE, tally)
        if wrong:
            wrong.append(client.story())
    return wrong


def _schedules(slot: Path, seed: int, tally: Tally) -> list[str]:
    chance = random.Random(seed)
    wrong = []
    for _ in range(SCHEDULES_A_ROUND):
        schedule = [(chance.choice((0, 1, 2, 3, 5, 8, 13, 30)), chance.choice(list(Move)))
                    for _ in range(chance.randint(1, 12))]
        tally.schedules += 1
        tally.kills += sum(move.name.startswith(("DIE", "BOOT")) for _, move in schedule)
        try:
            live(schedule, slot)
        except Wrong as error:
            tally.lost += 1
            wrong.append(f"schedule {schedule}: {error}")
    return wrong


def report(tallies: dict[str, Tally], took: float, seed: int) -> str:
    """The figures as a Markdown table."""
    rows = ["| where | jobs | kills | restarts | schedules tried | work lost |",
            "|---|---|---|---|---|---|"]
    for name, one in tallies.items():
        figures = (one.jobs, one.kills, one.restarts, one.schedules, one.lost)
        rows.append(f"| {name} | {' | '.join(map(str, figures))} |")
    where = f"{platform.system()} {platform.machine()}"
    return "\n".join([*rows, "", f"{took / 60:.0f} minutes on {where}, first seed {seed}.", ""])


def write(text: str) -> None:
    """Put the figures in their place in the docs."""
    pattern = re.compile(r"(<!-- soak -->\n).*?(<!-- /soak -->)", re.DOTALL)
    old = DOCS.read_text("utf-8")
    DOCS.write_text(pattern.sub(lambda found: found[1] + text + found[2], old), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
