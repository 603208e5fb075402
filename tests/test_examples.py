"""Every example runs as printed, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(set(FOLDER.glob("*.py")) - set(FOLDER.glob("test_*.py")))
ARGUMENTS = {"train_and_sample": ["--quick"], "lecture": ["lecture.html", "--quick"]}
ARGUMENTS["noise_on_the_way"] = ["--quick"]
"""How an example is asked to do less; what it does is the same."""


def run(example: Path, folder: Path, *command: str) -> str:
    """What it prints, with a cache of its own and one thread, as the tests' workers have."""
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **own}
    command = command or (str(example), *ARGUMENTS.get(example.stem, []))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


ASKED = ("tune_pipeline", "train_and_sample", "own_loop_numba", "lecture", "noise_on_the_way")
"""Those that are asked more than whether they run."""
PLAIN = [one for one in EXAMPLES if one.stem not in ASKED]


@pytest.mark.slow
@pytest.mark.parametrize("example", PLAIN, ids=lambda path: path.stem)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    assert run(example, tmp_path)


@pytest.mark.slow
def test_a_pipeline_is_tuned_and_runs_its_solver(tmp_path: Path) -> None:
    """As ``python examples/tune_pipeline.py``, where a broken torchvision is no obstacle."""
    path = str(FOLDER / "tune_pipeline.py")
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import torch_extras"
    code += "; import transformers; transformers.logging.set_verbosity_error()"
    code += f"; import runpy; runpy.run_path({path!r}, run_name='__main__')"
    printed = run(FOLDER / "tune_pipeline.py", tmp_path, "-c", code)
    (tuned,), (published,) = (
        re.findall(rf"^{name} +(\S+)", printed, re.MULTILINE) for name in ("tuned", "published")
    )
    assert float(tuned) < 0.5 * float(published)
    (gap,) = re.findall(r"differ from the solver's by (\S+)", printed)
    assert float(gap) < 1e-4
    assert "an image of shape (1, 3, 16, 16)" in printed


@pytest.mark.slow
def test_loop_in_numba_reaches_the_data(tmp_path: Path) -> None:
    """The spread of the samples at 20 steps is that of the data, up to the 100,000 draws."""
    printed = run(FOLDER / "own_loop_numba.py", tmp_path)
    found, exact = re.findall(r"of all (\S+) \(exact (\S+)\)", printed)[-1]
    assert abs(float(found) - float(exact)) < 0.006


@pytest.mark.slow
def test_noise_forgets_a_start_and_amplifies_errors_of_the_data(tmp_path: Path) -> None:
    printed = run(FOLDER / "noise_on_the_way.py", tmp_path)
    none, start, noise, data = (
        [float(one) for one in re.findall(r": (\S+)", line)] for line in printed.splitlines()
    )
    assert start[2] < start[0] / 2
    assert noise[2] < 1.1 * noise[0]  # of 200 samples: 1,200 say .066 beside .080
    assert data[2] > 1.2 * data[0]
    assert abs(none[2] - none[0]) < 0.05


@pytest.mark.slow
def test_lecture_is_the_page_of_the_docs(tmp_path: Path) -> None:
    """The sections that are quick, word for word: every formula in them is derived again."""
    run(FOLDER / "lecture.py", tmp_path)
    written = (tmp_path / "lecture.html").read_text()
    page = (FOLDER.parent / "docs" / "lecture.html").read_text()
    quick, whole = (
        re.findall(r"<h2>.*?</h2>\n(.*?)</section>", re.sub(r'src="[^"]*"', "", one), re.DOTALL)
        for one in (written, page)
    )
    assert len(quick) == len(whole) - 2 == 5
    assert all(section in whole for section in quick)


@pytest.mark.slow
def test_training_writes_its_pictures(tmp_path: Path) -> None:
    """Little trained, but the solvers converge to the ODE of whatever network there is."""
    printed = run(FOLDER / "train_and_sample.py", tmp_path)
    errors = re.findall(r"rectified_flow +(.+?) +error at 8 evaluations: (\S+)", printed)
    assert [name for name, _ in errors] == ["Euler", "DPM-Solver++(2M)", "order 3 in time"]
    assert all(float(error) < 0.2 for _, error in errors)
    for name in ("trained_samples.png", "trained_errors.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_custom_schedule_has_the_order_that_it_prints(tmp_path: Path) -> None:
    printed = run(EXAMPLES[0].with_name("custom_schedule.py"), tmp_path)
    order = int(re.search(r"^order (\d+)$", printed, re.MULTILINE)[1])
    rows = re.findall(r"(\d+) steps: error (\S+)", printed)
    steps, errors = np.array(rows, dtype=float).T
    rates = np.log(errors[:-1] / errors[1:]) / np.log(steps[1:] / steps[:-1])
    assert order == 3
    assert np.all(np.abs(rates[-3:] - order) < 0.2)
    assert "alpha = 1 - t**2" in printed


@pytest.mark.slow
def test_test_file_of_a_user_passes(tmp_path: Path) -> None:
    example = FOLDER / "test_my_solver.py"
    options = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull)
    printed = run(example, tmp_path, *options, str(example))
    assert re.search(r"^\d+ passed", printed, re.MULTILINE), printed
