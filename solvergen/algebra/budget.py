"""A bound on the time of a symbolic step, on any thread.

Computer algebra has steps whose cost cannot be foreseen. ``within`` runs one in a worker thread
and, when the time is over, raises an exception inside that thread until it has ended. Signals
would do only on the main thread, and processes would have to pickle expressions.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")

_POLL_SECONDS = 0.02
"""How often a budget is looked at: far less than the shortest one, far more than a switch of
threads."""

_GRACE_SECONDS = 2.0
"""How long a stopped worker may take to end. One that takes longer is inside a single long call of
compiled code, which nothing can stop."""

_IDLE_FACTOR = 10
"""How much more real time than processor time: a machine on which eight others work gets there."""


class _OutOfTime(BaseException):
    """Raised inside a worker; a BaseException, so that no ``except Exception`` on its way keeps
    it.
    """


def within(
    seconds: float, function: Callable[..., Result], *arguments: Any, default: Any = None
) -> Result | Any:
    """``function(*arguments)`` if it ends within ``seconds``, else ``default``.

    The seconds are processor time of this process, so that what is found does not depend on what
    else the machine does; ten times as much real time is the limit.

    Exceptions of the function pass to the caller. The worker is stopped between two byte codes;
    one that is inside a single long call of compiled code is left behind as a daemon after a
    short grace.
    """
    worker = _Worker(function, arguments)
    worker.start()
    try:
        finished = worker.wait(seconds)
    except BaseException:
        worker.stop()
        raise
    if not finished:
        worker.stop()
    if worker.error is not None:
        raise worker.error
    return worker.value if worker.has_value else default


class _Worker(threading.Thread):
    """One call, its value or its exception."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(daemon=True, name=f"within:{getattr(function, '__name__', function)}")
        self.function = function
        self.arguments = arguments
        self.done = threading.Event()
        self.value: Any = None
        self.has_value = False
        self.error: Exception | None = None

    def run(self) -> None:
        with suppress(_OutOfTime):  # which may come while the worker is just ending, too
            try:
                self.value = self.function(*self.arguments)
                self.has_value = True
            except Exception as error:
                self.error = error
            finally:
                self.done.set()

    def wait(self, seconds: float) -> bool:
        """Whether the call ended in time. Short waits, so that an outer budget can stop this
        thread.
        """
        cpu, wall = time.process_time(), time.monotonic()
        while (
            time.process_time() - cpu < seconds and time.monotonic() - wall < _IDLE_FACTOR * seconds
        ):
            if self.done.wait(min(seconds, _POLL_SECONDS)):
                return True
        return self.done.is_set()

    def stop(self) -> None:
        """Raise ``_OutOfTime`` in the thread, again if something on the way swallowed it.

        Not in the middle of an import, whose lock it might leave behind.
        """
        deadline = time.monotonic() + _GRACE_SECONDS
        while self.is_alive() and time.monotonic() < deadline:
            if not (self.done.is_set() or self._is_importing()):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self.ident or 0), ctypes.py_object(_OutOfTime)
                )
            self.join(_POLL_SECONDS)

    def _is_importing(self) -> bool:
        frame = sys._current_frames().get(self.ident or 0)
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return True
            frame = frame.f_back
        return False
