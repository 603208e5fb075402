"""The command line in a folder of its own."""

import sys

import pytest

from solvergen import cli


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """``solvergen ARGUMENTS`` in the test's folder: exit code, output, error."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["solvergen", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return called
