"""A few inputs of every area of ``benchmarks/fuzz.py``: right, or one SolvergenError, in time."""

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import fuzz

EXAMPLES = {"names of parameters": 12, "names of schedules": 12, "schedules": 10, "files": 12}


@pytest.mark.parametrize("area", fuzz.AREAS, ids=lambda area: area.name)
def test_nothing_is_wrong(area: fuzz.Area) -> None:
    tally = fuzz.Tally()
    fuzz.fuzz(area, seed=11, examples=EXAMPLES.get(area.name, 60), tally=tally)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.counts.total() >= 10
    report = fuzz.table({area.name: tally}, 1.0)
    assert f"| {area.name} | {area.what} | {tally.counts.total()} |" in report


def test_what_does_not_end_and_what_is_raw_are_wrong() -> None:
    tally = fuzz.Tally()
    fuzz.judge(fuzz.Area("raw", "", fuzz.AREAS[0].inputs, int), "x", tally)
    with fuzz.limited(1), pytest.raises(fuzz.WrongAnswerError):
        time.sleep(60)
    assert "ValueError" in tally.wrong[0]


def test_the_committed_table_is_of_this_script() -> None:
    """Every area with what its inputs are, tried, and nothing wrong; its sums are right."""
    text = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[2:]] == [[area.name, area.what] for area in fuzz.AREAS]
    for _, _, tried, errors, works, wrong, _ in rows[2:]:
        assert int(tried) == int(errors) + int(works) > 0
        assert int(wrong) == 0
    assert text.startswith(fuzz.table({}, 10))
