"""Every block of Python on the pages of docs/ runs, page by page, as a reader would type it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import solvergen as sg

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
EMITTED = (ROOT / "generated" / "rectified_flow_multistep3_numba.py").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def linear(x: Any, t: Any) -> Any:
    """A network of every library."""
    return 0.5 * x


def flow(x: Any, t: Any) -> Any:
    """Of data that are normal with spread 1/2."""
    return (t - (1 - t) / 4) / ((1 - t) ** 2 / 4 + t**2) * x


def torch_noise() -> dict[str, Any]:
    import torch

    x = torch.ones(3, 1, 4, 4)
    grid = [1.0, 0.75, 0.5, 0.25, 0.0]
    return {"x": x, "noise": x, "image": x, "model": linear, "network": linear, "grid": grid}


def with_noise() -> dict[str, Any]:
    import torch

    return torch_noise() | {"np": np, "torch": torch, "grid": [0.9, 0.5, 0.1]}


def jax_network() -> dict[str, Any]:
    """And the pipeline of the page."""
    from types import SimpleNamespace

    import jax.numpy as jnp
    from diffusers import DDIMScheduler

    pipe = SimpleNamespace(scheduler=DDIMScheduler())
    apply = lambda parameters, x, t: parameters * x  # noqa: E731
    return {"pipe": pipe, "apply": apply, "parameters": 0.5, "noise": jnp.ones((3, 2))}


def compiled() -> dict[str, Any]:
    module = sg.compile(sg.Solver("rectified_flow", "flow", expansion="time"), "numpy")
    return {"module": module, "network": linear, "x": np.ones(3)}


def inpainting() -> dict[str, Any]:
    """A network of two prompts, noise, an image and what is known of it."""
    model = lambda x, t: 0.5 * np.tanh(x)  # noqa: E731
    network = lambda x, t, prompt: np.tanh(x) * (0.5 + 0.1 * len(prompt))  # noqa: E731
    mask = np.arange(12).reshape(3, 4) % 2
    arrays = {"noise": np.ones((3, 4)), "image": np.full((3, 4), 0.3), "mask": mask}
    return {"model": model, "network": network} | arrays


def small_model() -> dict[str, Any]:
    """The page's search on six calls of a small network, with few noises."""

    def tune(model: Any, *choice: Any, evaluations: int, shape: tuple[int, ...]) -> Any:
        few = {"validate": 8, "search": [sg.Method("flow", "time", "multistep:2")]}
        return sg.tune(model, *choice, evaluations=4, shape=(2,), **few)

    return {"model": flow, "sg": type("sg", (), {"tune": staticmethod(tune), "FLOW": sg.FLOW})}


GIVEN: dict[str, Callable[[], dict[str, Any]]] = {
    "modules": compiled,
    "on_data": inpainting,
    "parallel": lambda: torch_noise() | {"sg": sg},
    "per_sample": dict,
    "reversible": lambda: torch_noise() | {"sg": sg},
    "samplers": jax_network,
    "start": dict,
    "stochastic": with_noise,
    "tuning": small_model,
    "verification": dict,
}
"""What a page takes for granted: a network, noise, a grid."""


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


@pytest.mark.usefixtures("new_jax")
@pytest.mark.parametrize("name", GIVEN)
def test_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = GIVEN[name]()
    for block in blocks(ROOT / "docs" / f"{name}.md"):
        exec(block, known)
    for test in (one for key, one in [*known.items()] if key.startswith("test_")):
        test()
    if name == "start":
        np.testing.assert_allclose(known["x"], 2 + 0.5 * known["noise"], atol=6e-4)
        assert (tmp_path / "my_solver.py").exists()


def test_no_page_is_left_out() -> None:
    """Sessions run in test_readme, adapters in test_adapters; what is quoted is in a module."""
    assert {one.stem for one in PAGES if blocks(one)} == {*GIVEN, "emitted", "adapters"}
    quoted = blocks(ROOT / "docs" / "emitted.md")
    assert len(quoted) == 5
    assert all(one in EMITTED for one in quoted)
