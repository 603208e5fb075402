"""Bad and odd inputs by the thousand: each is answered rightly, or by one SolvergenError, in time.

    python benchmarks/fuzz.py --minutes 10 --write docs/reliability.md

An area makes inputs (hypothesis), hands them over, and checks the answer against one that does not
come from the code under test. What is neither right nor a SolvergenError, or takes longer than 10
s of processor time, is wrong: it is printed with what reproduces it, and the script exits with 1.
"""

import argparse
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
from fuzz_inputs import AREAS, Area, WrongAnswerError
from hypothesis import HealthCheck

import solvergen as sg

SECONDS = 10
"""Of processor time that one input may take."""
BATCH = 50


@dataclass
class Tally:
    """What came of the inputs of an area."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises WrongAnswerError in the middle of what does not end."""

    def stop(*_: Any) -> None:
        raise WrongAnswerError(f"does not end in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judge(area: Area, given: Any, tally: Tally) -> None:
    """Hand one input over and count what came of it."""
    started = time.process_time()
    try:
        with limited(12 * SECONDS):
            area.answer(given)
        outcome = "works"
    except sg.SolvergenError:
        outcome = "clear error"
    except Exception:
        outcome = "wrong"
        tally.wrong.append(f"{area.name}: {given!r}\n{traceback.format_exc(limit=-3)}")
    took = time.process_time() - started
    tally.slowest = max(tally.slowest, took)
    if took > SECONDS and outcome != "wrong":
        outcome = "wrong"
        tally.wrong.append(f"{area.name}: {given!r}\ntook {took:.1f} s")
    tally.counts[outcome] += 1


def fuzz(area: Area, seed: int, examples: int, tally: Tally) -> None:
    """Some examples from one seed."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples, database=None, deadline=None, phases=[hypothesis.Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @hypothesis.given(area.inputs)
    def run(given: Any) -> None:
        judge(area, given, tally)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()


def table(tallies: dict[str, Tally], minutes: float) -> str:
    """The report as markdown."""
    lines = [
        "# What bad input does",
        "",
        f"Made by `python benchmarks/fuzz.py --minutes {minutes:g} --write docs/reliability.md`.",
        "An answer is right if it agrees with one computed without solvergen, or reads back as",
        "itself; a clear error is a `SolvergenError`; anything else, and what takes more than",
        f"{SECONDS} s of processor time, is wrong.",
        "",
        "| area | inputs | tried | clear errors | works | wrong | slowest |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for area in AREAS:
        if area.name in tallies:
            one = tallies[area.name]
            counts = [one.counts[each] for each in ("clear error", "works", "wrong")]
            shown = " | ".join(map(str, (sum(counts), *counts)))
            lines.append(f"| {area.name} | {area.what} | {shown} | {one.slowest:.1f} s |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="in all")
    parser.add_argument("--area", help="only the areas with this in their name")
    parser.add_argument("--seed", type=int, default=None, help="the first seed; random if left")
    parser.add_argument("--write", type=Path, help="where to write the table")
    chosen = parser.parse_args()
    areas = [area for area in AREAS if (chosen.area or "") in area.name]
    tallies = {area.name: Tally() for area in areas}
    seed = random.randrange(10**6) if chosen.seed is None else chosen.seed
    for number, area in enumerate(areas, start=1):
        end = time.monotonic() + chosen.minutes * 60 / len(areas)
        while time.monotonic() < end:
            fuzz(area, seed, BATCH, tallies[area.name])
            seed += 1
        counts = dict(tallies[area.name].counts)
        print(f"{number}/{len(areas)} {area.name}: {counts}", flush=True)
    wrong = [one for tally in tallies.values() for one in tally.wrong]
    print(*wrong[:20], sep="\n")
    if chosen.write:
        chosen.write.write_text(table(tallies, chosen.minutes))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
