"""The README says what is so."""

import doctest
import re
from pathlib import Path

import pytest

from solvergen.cli import app
from solvergen.verification import assert_coefficients, assert_order

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_example_is_the_file() -> None:
    (first, _) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert first == (ROOT / "examples" / "custom_schedule.py").read_text()


def test_python_sessions() -> None:
    test = doctest.DocTestParser().get_doctest(TEXT, {}, "README", "README.md", 0)
    assert len(test.examples) >= 7
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize().failed == 0


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    from typer.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    joined = TEXT.replace("\\\n", " ").replace("    $ solvergen", "    solvergen")
    commands = re.findall(r"^    solvergen ((?:compile|verify|derive) .*)$", joined, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        done = CliRunner().invoke(app, shlex.split(command), catch_exceptions=False)
        assert done.exit_code == 0, (command, done.output)


def test_linked_files_exist() -> None:
    for path in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / path).is_file(), path


def test_assertions_for_users() -> None:
    import solvergen as sg

    module = sg.compile(sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3"))
    assert_order(module, 3)
    assert_coefficients(module)
    with pytest.raises(AssertionError, match="order, measured"):
        assert_order(module, 4)
