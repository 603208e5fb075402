"""What is emitted: standalone, lint-clean, complete, written whole or not at all."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruff import find_ruff_bin

import solvergen as sg
from solvergen import targets
from solvergen.errors import EmissionError
from solvergen.targets import rendering

SPECS = [
    ("rectified_flow", "noise", "data", "half_log_snr", "multistep:3"),
    ("vp_linear", "velocity", "noise", "time", "singlestep:3"),
    ("ve", "score", "flow", "clock", "multistep:1"),
    ("rectified_flow", "noise", "-t, 1", "half_log_snr", "multistep:2"),
    ("rectified_flow", "flow", "data", "half_log_snr", "dpm_23"),
    ("vp_linear", "velocity", "velocity", "theta", "bogacki_shampine"),
    ("rectified_flow", "flow", "flow", "time", "trapezoidal:tol=1e-6"),
    ("rectified_flow", "flow", "data", "half_log_snr", "multistep:3:ramp:ramp"),
]

OWN = {
    "diffusers": [
        ("rectified_flow", "flow", "flow", "time", "multistep:3"),
        ("vp_linear", "velocity", "data", "theta", "singlestep:3"),
        ("vp_alphabar", "data", "noise", "time", "unipc:2:bh2"),
        ("stable_diffusion", "noise", "data", "half_log_snr", "multistep:2"),
    ],
    "k-diffusion": [
        ("ve", "data", "data", "half_log_snr", "multistep:3"),
        ("rectified_flow", "data", "flow", "time", "unipc:2:exact"),
    ],
}
"""What the targets with a convention of their own take."""
CASES = [(target, choice) for target in targets.names() for choice in OWN.get(target, SPECS)]
FIRST = [(target, OWN.get(target, SPECS)[0]) for target in targets.names()]


def name(one: str | tuple) -> str:
    """A target or a choice in the name of a test."""
    return one if isinstance(one, str) else "-".join(one)


@pytest.mark.parametrize(("target", "choice"), CASES, ids=name)
def test_emitted_modules_are_lint_clean(target: str, choice: tuple, tmp_path: Path) -> None:
    path = sg.write(sg.Solver(*choice), target, tmp_path / "module.py")
    rules = "--select=E,F,W,I,B,UP,SIM,RUF,C4,PIE,RET"
    for command in (
        ["check", "--isolated", rules, "--line-length=100", "--target-version=py311"],
        ["format", "--isolated", "--check", "--line-length=100"],
    ):
        done = subprocess.run(
            [find_ruff_bin(), *command, str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(("target", "choice"), FIRST, ids=name)
def test_module_has_the_contract_and_needs_no_solvergen(
    target: str, choice: tuple, tmp_path: Path
) -> None:
    path = sg.write(sg.Solver(*choice), target, tmp_path / "alone.py")
    code = (
        "import sys; sys.modules['solvergen'] = None; sys.path.insert(0, sys.argv[1]);"
        f"import alone; names = {targets.get(target).interface!r};"
        "missing = [n for n in names if not hasattr(alone, n)];"
        "assert not missing, missing;"
        f"assert alone.ORDER == {2 if targets.get(target).counts_steps else 3};"
        "assert alone.EVALUATIONS_PER_STEP == 1"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    text = path.read_text()
    assert re.search(r"x_t = (Phi )?x_s \+ M0 sum_j ell_j N_j", text)
    assert f"solvergen compile --schedule {choice[0]}" in text


UNLISTED = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location(*sys.argv[1:])
module = module_from_spec(spec)
spec.loader.exec_module(module)
import numpy
x = numpy.ones(3)
if module.SPEC["target"] == "torch":
    import torch
    x = torch.from_numpy(x)
if module.SPEC["target"] == "jax":
    x = module.jnp.asarray(x)
module.sample(lambda y, t: y, x, module.timesteps(4, start=0.9, end=0.1))
"""


@pytest.mark.slow
def test_a_module_that_python_does_not_list_runs_again(tmp_path: Path) -> None:
    """Loaded from a path, under another name each time: numba's files serve a module's own name."""
    path = sg.write(sg.Solver(*SPECS[0]), "numba", tmp_path / "unlisted.py")
    for name in ("one", "one", "other"):
        subprocess.run([sys.executable, "-c", UNLISTED, name, str(path)], check=True)


def test_compiling_imports_neither_numba_nor_torch(tmp_path: Path) -> None:
    names = ("schedule", "prediction", "integrand", "expansion", "scheme")
    commands = [["derive", "--schedule", "ve"]]
    for target, choice in FIRST:
        options = [f"--{name}={one}" for name, one in zip(names, choice, strict=True)]
        path = str(tmp_path / f"{target}.py")
        commands.append(["compile", *options, "--target", target, "-o", path])
    code = (
        "import sys; from solvergen.cli import app; from typer.testing import CliRunner\n"
        f"for one in {commands}:\n"
        "    done = CliRunner().invoke(app, one, catch_exceptions=False)\n"
        "    assert not done.exit_code\n"
        "    heavy = {'numba', 'torch', 'jax', 'diffusers', 'sklearn', 'matplotlib'}\n"
        "    heavy &= set(sys.modules)\n"
        "    assert not heavy, (one, heavy)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_templates_ask_for_exactly_what_is_filled_in() -> None:
    """No key is unknown, and every key is used by some target."""
    contexts = {target: rendering.context(sg.Solver(*one), target, "") for target, one in FIRST}
    templates = {name: f"{targets.get(name).folder}/module.jinja" for name in targets.names()}
    used = {target: rendering.keys(template) for target, template in templates.items()}
    for target, template in templates.items():
        assert used[target] <= set(contexts[target]), target
        with pytest.raises(EmissionError, match="asks for"):
            rendering.fill(template, {})
    assert set().union(*contexts.values()) == set().union(*used.values())


def test_emission_is_deterministic() -> None:
    spec = sg.Solver(*SPECS[1])
    assert sg.emit(spec, "numba") == sg.emit(spec, "numba")


def test_unknown_target() -> None:
    assert {"numba", "numpy", "torch"} <= set(targets.names())
    known = ", ".join(targets.names())
    with pytest.raises(EmissionError, match=f"'fortran'; expected one of {known}"):
        sg.emit(sg.Solver("ve"), "fortran")


def test_foreign_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious = 1\n")
    with pytest.raises(EmissionError, match="not written by solvergen"):
        sg.write(sg.Solver("ve"), "numpy", path)
    assert path.read_text() == "precious = 1\n"
    sg.write(sg.Solver("ve"), "numpy", path, force=True)
    sg.write(sg.Solver("ve"), "torch", path)
    assert "import torch" in path.read_text()


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(EmissionError, match="cannot write"):
        sg.write(sg.Solver("ve"), "numpy", tmp_path / "absent" / "x.py")
    with pytest.raises(EmissionError):
        sg.write(sg.Solver("ve"), "numpy", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_compile_is_cached_by_content() -> None:
    first = sg.compile(sg.Solver("ve", "data"), "numpy")
    assert sg.compile(sg.Solver("ve", "data"), "numpy") is first
    assert sg.compile(sg.Solver("ve", "noise"), "numpy") is not first
