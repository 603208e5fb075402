"""A step that does not end is ended, on any thread, and leaves nothing running."""

import importlib
import sys
import threading
import time

import pytest

from solvergen.algebra import budget
from solvergen.algebra.budget import within


def endless() -> None:
    while True:
        pass


def stubborn() -> None:
    """Swallows every ordinary exception on its way."""
    while True:
        try:
            endless()
        except Exception:
            continue


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("within:")]


def test_value_and_exception_pass_through() -> None:
    assert within(5, lambda a, b: a + b, 1, 2) == 3
    assert within(5, lambda: None, default=1) is None
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)


@pytest.mark.parametrize("function", [endless, stubborn])
def test_endless_step_gives_the_default_in_time(function) -> None:
    started = time.perf_counter()
    assert within(0.1, function, default="late") == "late"
    assert time.perf_counter() - started < 2
    assert not workers()


def test_works_off_the_main_thread() -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(within(0.1, endless, default="late")))
    thread.start()
    thread.join(5)
    assert results == ["late"]
    assert not workers()


def test_outer_budget_ends_an_inner_one() -> None:
    started = time.perf_counter()
    assert within(0.2, within, 60, endless, default="late") == "late"
    assert time.perf_counter() - started < 3
    assert not workers()


def test_the_next_step_is_not_disturbed() -> None:
    within(0.05, endless)
    assert within(5, sum, range(1000)) == 499500


def test_an_import_is_not_broken_off(tmp_path, monkeypatch) -> None:
    """A half-imported module, or the lock of one, would stay behind for every other thread."""
    code = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\n"
    (tmp_path / "slow_to_import.py").write_text(f"{code}complete = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def imports() -> None:
        importlib.import_module("slow_to_import")
        endless()

    assert within(0.05, imports, default="over") == "over"
    assert sys.modules["slow_to_import"].complete
    assert not workers()


def test_a_worker_stopped_while_it_ends_is_silent(monkeypatch, capsys) -> None:
    """Its exception then comes out of the thread, of which Python tells by its own hook."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)

    def late() -> None:
        raise budget._OutOfTime

    worker = budget._Worker(lambda: 1, ())
    monkeypatch.setattr(worker.done, "set", late)
    worker.start()
    worker.join(5)
    assert not worker.is_alive()
    assert capsys.readouterr().err == ""
