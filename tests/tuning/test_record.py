"""A search that goes on where another one stood, here or on a cluster."""

import json
import os
import signal

import numpy as np
import pytest
from searches import MIXTURE, tuned

from solvergen.commands.tuning import executor
from solvergen.errors import SolvergenError


class Counted:
    """The network of the mixture, which counts the samples that it was asked."""

    asked = 0

    def __call__(self, x, t):
        self.asked += len(x)
        return MIXTURE(x, float(t))


def run(folder, **options):
    network = Counted()
    found = tuned(network, noise=NOISE, resume=folder, **options)
    return found, network.asked


NOISE = np.random.default_rng(0).standard_normal((42, 3))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


def same(one, other):
    return (one.timesteps, one.solver.content_hash, str(one.report)) == (
        other.timesteps,
        other.solver.content_hash,
        str(other.report),
    )


def test_what_is_finished_is_not_computed_again(whole, tmp_path):
    """Interrupted in the middle of the grids: the teacher and the methods are taken from files."""
    found, asked = whole

    def stop(stage, spent, best):
        if stage == "grid":
            raise KeyboardInterrupt

    cut, _ = run(tmp_path, progress=stop)
    assert "Interrupted" in cut.report.stopped
    again, more = run(tmp_path)
    assert same(again, found)
    assert more < 0.5 * asked
    last, least = run(tmp_path)
    assert same(last, found)
    assert least < 0.06 * asked  # what the report is on


@pytest.mark.parametrize("change", ["noise", "model", "evaluations"])
def test_another_search_takes_nothing(whole, tmp_path, change):
    run(tmp_path)
    names = {one.name for one in tmp_path.iterdir()}
    network = Counted()
    options = {"noise": NOISE, "resume": tmp_path}
    if change == "noise":
        options["noise"] = NOISE[::-1].copy()
    elif change == "evaluations":
        options["evaluations"] = 4
    else:
        network = lambda x, t: 0.999 * MIXTURE(x, float(t))  # noqa: E731
        network.__qualname__ = Counted.__qualname__
    tuned(network, **options)
    assert len(list(tmp_path.iterdir())) == 2 * len(names)


@pytest.mark.parametrize("spoilt", ["", "[]", None])
def test_files_that_are_not_as_they_were_written_are_computed_again(whole, tmp_path, spoilt):
    found, asked = run(tmp_path)
    for path in tmp_path.iterdir():
        text = path.read_text()
        other = json.dumps(json.loads(text) | {"value": "{}"})
        path.write_text(other if spoilt is None else spoilt)
    again, more = run(tmp_path)
    assert same(again, found)
    assert more == asked


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SolvergenError, match="folder of a record"):
        run(tmp_path / "file" / "folder")


@pytest.mark.slow
def test_on_a_cluster_whose_worker_is_killed(whole):
    """Two workers, of which one dies while it computes: the same file."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, silence_logs=50) as cluster,
        executor(1, cluster.scheduler_address) as pool,
    ):
        killed = []

        def progress(stage, *_):
            if stage == "grid" and not killed:
                killed.append(next(iter(cluster.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)

        found = tuned(executor=pool, progress=progress)
    assert killed
    assert same(found, tuned())


def test_no_cluster_is_one_error():
    with pytest.raises(SolvergenError, match="no scheduler answers"), executor(1, "nowhere"):
        pass
    with (
        pytest.raises(SolvergenError, match="expected one of them"),
        executor(2, "tcp://127.0.0.1:1"),
    ):
        pass
