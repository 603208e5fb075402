"""The folder for ComfyUI, in a stand-in of what ComfyUI does with one, and in its own code."""

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import solvergen as sg
from solvergen.cli import app
from solvergen.clients import comfyui
from solvergen.errors import EmissionError
from solvergen.measurement import client_grids
from solvergen.measurement.client_grids import Levels


class CONST:
    """The sampling of flow models."""


class EPS:
    """The sampling of the others."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comfyui.write(tmp_path_factory.mktemp("custom_nodes") / "solvergen_samplers")


@pytest.fixture
def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The parts of comfy that a package of samplers touches, after it was loaded twice."""
    names = ("comfy", "comfy.k_diffusion", "comfy.k_diffusion.sampling", "comfy.samplers",
             "comfy.model_sampling")  # fmt: skip
    modules = {name: ModuleType(name) for name in names}
    for name, module in modules.items():
        parent, _, short = name.rpartition(".")
        if parent:
            setattr(modules[parent], short, module)
        monkeypatch.setitem(sys.modules, name, module)
    listed = ["euler", "dpmpp_2m"]
    samplers, sampling = modules["comfy.samplers"], modules["comfy.k_diffusion.sampling"]
    samplers.SAMPLER_NAMES, samplers.KSampler = listed, SimpleNamespace(SAMPLERS=listed)
    samplers.KSAMPLER = lambda function: SimpleNamespace(sampler_function=function)
    modules["comfy.model_sampling"].CONST = CONST
    monkeypatch.syspath_prepend(folder.parent)
    package = importlib.import_module(folder.name)
    package = importlib.reload(package)
    yield SimpleNamespace(package=package, listed=listed, sampling=sampling)
    for name in [one for one in sys.modules if one.startswith(folder.name)]:
        del sys.modules[name]


def wrapped(kind: type, shown: list) -> object:
    """A model behind three wrappers that returns the data of unit Gaussians."""
    is_flow = kind is CONST

    class Wrapper:
        inner_model = SimpleNamespace(inner_model=SimpleNamespace(model_sampling=kind()))

        def __call__(self, x: torch.Tensor, sigma: torch.Tensor, seed: int) -> torch.Tensor:
            shown.append(float(sigma[0]))
            s = sigma.reshape(-1, 1, 1, 1)
            alpha = 1 - s if is_flow else torch.ones_like(s)
            return alpha * x / (alpha**2 + s**2)

    return Wrapper()


def exact(kind: type, x: torch.Tensor, first: float) -> torch.Tensor:
    """Where unit Gaussians flow to."""
    spread = ((1 - first) ** 2 if kind is CONST else 1) + first**2
    return x / spread**0.5


def test_names_are_listed_once_and_found(client: SimpleNamespace) -> None:
    ours = client.listed[2:]
    assert ours == [one.name for one in comfyui.SHIPPED] == list(client.package.SAMPLERS)
    for name in ours:
        assert callable(getattr(client.sampling, f"sample_{name}"))
    node = client.package.NODE_CLASS_MAPPINGS["SamplerSolvergen"]
    assert node.INPUT_TYPES()["required"]["sampler_name"] == (ours,)
    (sampler,) = getattr(node(), node.FUNCTION)(ours[0])
    assert callable(sampler.sampler_function)


@pytest.mark.parametrize("kind", [EPS, CONST])
@pytest.mark.parametrize("name", [one.name for one in comfyui.SHIPPED])
def test_one_name_serves_models_of_both_kinds(
    client: SimpleNamespace, name: str, kind: type
) -> None:
    levels = Levels.flow(3.0) if kind is CONST else Levels.eps()
    sampler = getattr(client.sampling, f"sample_{name}")
    x = torch.randn(2, 4, 3, 3, generator=torch.manual_seed(0), dtype=torch.float64)
    for grid in ("normal", "karras", "beta", "ddim_uniform"):
        sigmas = torch.tensor(client_grids.grid(levels, grid, 12))
        shown, seen = [], []
        start = x * sigmas[0]
        found = sampler(
            wrapped(kind, shown),
            start,
            sigmas,
            {"seed": 0},
            lambda one, seen=seen: seen.append(one["i"]),
            True,
        )
        calls = 2 if "singlestep" in name else 1
        # steps from alpha = 0 and to sigma = 0, where lambda is infinite, are of first order
        first_order = 1 + (kind is CONST and float(sigmas[0]) == 1.0) if calls == 2 else 0
        assert len(shown) == calls * (len(sigmas) - 1) - first_order, grid
        assert seen == list(range(len(sigmas) - 1))
        gap = found - exact(kind, start, float(sigmas[0]))
        assert gap.abs().max() < 0.25 * start.abs().max(), grid


def test_levels_that_are_none(client: SimpleNamespace) -> None:
    """Repeated ones are left out, a run without a step is none, and one up may not begin at 0."""
    sampler, x = client.sampling.sample_solvergen_data, torch.ones(1, 4, 2, 2)
    for sigmas in ([], [5.0], [5.0, 5.0]):
        assert sampler(wrapped(EPS, []), x, torch.tensor(sigmas), {"seed": 0}) is x
    twice, once = ([9.0, 9.0, 3.0, 1.0, 1.0, 0.0], [9.0, 3.0, 1.0, 0.0])
    runs = [
        sampler(wrapped(EPS, []), x, torch.tensor(one), {"seed": 0}, disable=True)
        for one in (twice, once)
    ]
    assert torch.equal(*runs)
    for first in (0.0, 1e-4):  # which FlipSigmas puts there
        up = torch.tensor([first, 1.0, 3.0])
        with nullcontext() if first else pytest.raises(ValueError, match="no finite coefficients"):
            assert sampler(wrapped(EPS, []), x, up, {"seed": 0}, disable=True).isfinite().all()
    wide = torch.tensor([4518.0, 80.0, 5.0, 1.0, 0.0])
    assert sampler(wrapped(EPS, []), 4518 * x, wide, {"seed": 0}, disable=True).isfinite().all()


def test_the_command_and_what_it_refuses(folder: Path, tmp_path: Path) -> None:
    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["compile", "--target", "comfyui", *options])
        return done.exit_code, done.output + str(done.exception)

    out = tmp_path / "nodes"
    code, said = run("--scheme", "multistep:3:ramp", "--limiter", "none", "-o", str(out))
    assert (code, "solvergen_data_multistep_3_ramp" in said) == (0, True), said
    assert "limiter=" not in (out / "ve_data_multistep_3_ramp.py").read_text()
    assert run("--scheme", "multistep:3:ramp", "-o", str(out))[0] == 0  # ours: written again
    (out / "pyproject.toml").write_text("mine\n")
    before = (out / "__init__.py").read_text()
    code, said = run("--scheme", "euler", "-o", str(out))
    assert (code, "pyproject.toml already" in said) == (1, True)
    assert (out / "__init__.py").read_text() == before
    assert not (out / "ve_data_euler.py").exists()
    for option in (("--schedule", "ve"), ("--steps", "5"), ("--preset", "dpmpp_2m")):
        code, said = run(*option, "-o", str(tmp_path / "none"))
        assert (code, "target comfyui has the schedules" in said) == (1, True), said
    assert not (tmp_path / "none").exists()
    with pytest.raises(EmissionError, match="is a file"):
        comfyui.write(out / "pyproject.toml")
    assert (folder / "pyproject.toml").read_text().startswith("# Generated by solvergen ")


def test_modules_are_those_of_the_k_diffusion_target(folder: Path) -> None:
    spec = comfyui.SHIPPED[0].solver(sg.schedules.get("ve"))
    assert (folder / "ve_data.py").read_text() == sg.emit(spec, "k-diffusion")
