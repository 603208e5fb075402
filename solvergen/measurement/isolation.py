"""``verify --isolated``: the file runs in a process of its own, without network, for a while.

On Linux the process is moved into a network of its own, which has no device. Where the system
refuses that, and on others, Python's audit events refuse sockets, which a file that is determined
to get around that can get around; the report says which of the two it was.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from solvergen.errors import EmissionError
from solvergen.targets import files

SECONDS = 300
KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT", "NUMBA_NUM_THREADS")
"""What the process sees of the environment."""


def verify(file: str | Path, seconds: float = SECONDS) -> tuple[str, int]:
    """The report on a file, and the exit code of the process: 0 if every check passed, 2 for an
    error.

    Raises:
        EmissionError: there is no such file, or the time was over.
    """
    files.read(file)
    command = [sys.executable, str(Path(__file__).with_name("isolated.py")), os.path.abspath(file)]
    with tempfile.TemporaryDirectory(prefix="solvergen-") as folder:
        process = subprocess.Popen(
            command,
            env=_environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            report, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise EmissionError(
                f"{file} was not measured within {seconds:g} s; expected a module that solvergen "
                "emitted, or more time (--seconds)."
            ) from error
        finally:
            _end(process)
    return report, process.returncode


def _environment(folder: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    own = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR", "NUMBA_CACHE_DIR"), folder)
    return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1"}


def _end(process: "subprocess.Popen[str]") -> None:
    """The process, and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
