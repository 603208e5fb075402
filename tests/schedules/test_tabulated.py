"""Schedules given by a table: emitted with it, rebuilt from SPEC, and the order that is left."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from readers import TARGETS
from typer.testing import CliRunner

import solvergen as sg
from solvergen import compiler
from solvergen.algebra.tables import Interpolate, Table, read_column
from solvergen.cli import app
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.measurement.verification import adapted, as_input, as_numpy, verify

t = sg.t
BETAS = np.linspace(1e-3, 0.2, 40)


def solver(schedule: sg.NoiseSchedule, **choices: object) -> sg.Solver:
    """Noise prediction, data integrand, unless told otherwise."""
    return sg.Solver(schedule, **{"prediction": sg.NOISE, "integrand": sg.DATA, **choices})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("column", ["betas", "alphas_cumprod"])
def test_module_carries_its_table_once(target: str, column: str, tmp_path: Path) -> None:
    values = BETAS if column == "betas" else np.cumprod(1 - BETAS)
    spec = solver(sg.schedules.tabulated(**{column: values}, name="mine"))
    path = sg.write(spec, target, tmp_path / "table.py")
    entry = repr(float(np.log(np.cumprod(1 - BETAS))[20] / 2))[:12]
    assert path.read_text().count(entry) == 1
    module = compiler.load(path)
    times = np.arange(1, 41) / 40
    np.testing.assert_allclose(module.alpha(times) ** 2, np.cumprod(1 - BETAS), rtol=1e-14)
    back = module.time_at_half_log_snr(module.half_log_snr(times))
    np.testing.assert_allclose(back, times, rtol=1e-13)
    again = sg.from_specification(module.SPEC)
    assert again == spec
    assert again.content_hash == spec.content_hash


def test_module_stands_alone(tmp_path: Path) -> None:
    sg.write(solver(sg.schedules.stable_diffusion()), "numpy", tmp_path / "table.py")
    code = "import sys, table; assert 'solvergen' not in sys.modules; table.timesteps(10)"
    subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path[:0] = ['.']; {code}"],
                   cwd=tmp_path, check=True)  # fmt: skip


@pytest.mark.slow
def test_verified_as_any_other_module(tmp_path: Path) -> None:
    path = sg.write(solver(sg.schedules.stable_diffusion()), "numpy", tmp_path / "table.py")
    result = verify(path)
    assert result.passed, str(result)


def test_hash_sees_the_table() -> None:
    other = BETAS.copy()
    other[7] *= 1 + 1e-9
    hashes = {solver(sg.schedules.tabulated(betas=one)).content_hash for one in (BETAS, other)}
    assert len(hashes) == 2


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
@pytest.mark.parametrize("option", ["--betas", "--alphas-cumprod"])
def test_command_in_the_header_writes_the_module_again(
    option: str, suffix: str, tmp_path: Path
) -> None:
    values = BETAS if option == "--betas" else np.cumprod(1 - BETAS)
    table = tmp_path / f"column{suffix}"
    if suffix == ".npy":
        np.save(table, values)
    else:
        table.write_text("\n".join(map(repr, values.tolist())))
    schedule = sg.schedules.tabulated(**{option[2:].replace("-", "_"): values}, name="mine")
    spec = solver(schedule)
    arguments = spec.arguments
    assert arguments is not None
    assert f"{option} FILE --name mine" in arguments
    options = arguments.replace("FILE", str(table)).split()
    out = tmp_path / "again.py"
    done = CliRunner().invoke(app, ["compile", *options, "--target", "numpy", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text() == sg.emit(spec, "numpy")


def test_named_table_is_said_by_its_name() -> None:
    assert "--schedule stable_diffusion" in str(solver(sg.schedules.stable_diffusion()).arguments)


@pytest.mark.parametrize("content", ["", "0.1 x 0.2", "0.1 0.2 1.5"])
def test_bad_table_file_is_refused(content: str, tmp_path: Path) -> None:
    table = tmp_path / "column.txt"
    table.write_text(content)
    with pytest.raises(sg.ScheduleError, match="expected"):
        sg.schedules.tabulated(betas=read_column(table))
    with pytest.raises(sg.ScheduleError, match="cannot read the table"):
        read_column(tmp_path / "none.txt")


def errors_of(spec: sg.Solver, steps: tuple[int, ...], spacing: str) -> list[float]:
    """The error of runs on a mixture of two Gaussians against its exact flow."""
    module = compiler.load_text(sg.emit(spec, "numpy"), "order_of_a_table")
    problem = GaussianMixture(
        np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
    )
    start, end = (float(one) for one in module.time_at_half_log_snr(np.array([-1.5, 2.0])))
    ends = tuple((float(module.alpha(u)), float(module.sigma(u))) for u in (start, end))
    x = np.linspace(-1.5, 1.5, 13)[:, None]
    exact = problem.exact_flow(x, *ends)
    predict = adapted(module, model(problem, spec))
    errors = []
    for count in steps:
        grid = module.timesteps(count, spacing, start=start, end=end)
        found = as_numpy(module, module.sample(predict, as_input(module, x), grid))
        errors.append(float(np.sqrt(np.mean((found - exact) ** 2))))
    return errors


def test_kinks_in_time_do_not_matter_in_the_half_log_snr() -> None:
    """A network that sees the noise level alone is smooth in lambda: the order is kept."""
    schedule = sg.schedules.tabulated(betas=BETAS)
    errors = errors_of(solver(schedule, scheme="multistep:3"), (128, 256, 512), "half_log_snr")
    assert abs(np.log2(errors[-2] / errors[-1]) - 3) < 0.15


def test_kinks_leave_second_order_in_time() -> None:
    """In gamma = t each of the table's kinks costs O(h^2): third order until that shows."""
    coarse = sg.schedules.tabulated(betas=BETAS)
    fine = sg.schedules.tabulated(betas=np.linspace(1e-5, 0.02, 1000))
    choices = {"integrand": sg.NOISE, "expansion": "time", "scheme": "multistep:3"}
    steps = (64, 128, 256, 512, 1024, 2048)
    before, after = (errors_of(solver(one, **choices), steps, "time") for one in (fine, coarse))
    print(before, after)
    assert abs(np.log2(before[0] / before[1]) - 3) < 0.3
    assert before[1] < after[1] * 10


@pytest.mark.parametrize("ends", [("0.1", 1), (0, "0.9"), ("0.3", "0.6")])
@pytest.mark.parametrize("expansion", ["time", "half_log_snr"])
def test_a_domain_may_end_inside_a_table(ends: tuple[object, object], expansion: str) -> None:
    """Points of a table outside of the domain, where sigma is 0 or falls, are no kinks of it."""
    table = Table("k", [0, 0.25, 0.5, 1], [0, 0.1, 0.3, 1])

    def coefficients(*domain: object) -> np.ndarray:
        schedule = sg.NoiseSchedule(1 - t / 2, Interpolate(table, t), domain=domain)
        spec = sg.Solver(schedule, "flow", "data", expansion, "multistep:3")
        return sg.compile(spec, "numpy").coefficients([0.58, 0.52, 0.41, 0.36, 0.31])

    np.testing.assert_allclose(coefficients(*ends), coefficients(0, 1), rtol=1e-12)
