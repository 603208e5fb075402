"""The torch target under autograd, torch.func, inference mode and tracers.

Where nobody follows what happens to the tensors, a pass writes into memory, and over the oldest
value of the integrand; whoever follows must not be told less than what happened.
"""

from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType

import pytest
import torch
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch_runs import CHOICES, grid_of, network

import solvergen as sg


@pytest.fixture(scope="module", params=CHOICES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return sg.compile(sg.Solver(*CHOICES[request.param]), "torch")


@pytest.fixture(params=["small", "large"])
def sized(module: ModuleType, request: pytest.FixtureRequest, monkeypatch) -> ModuleType:
    """Torch's operations on small arrays, the loop on large ones: from a line of memory on."""
    if request.param == "large":
        monkeypatch.setattr(module, "_BLOCK", 1)
        monkeypatch.setattr(module, "_SHARE", 8)
        monkeypatch.setattr(module, "_TILE", 8)
    return module


def test_differentiable_through_the_coefficients(module: ModuleType) -> None:
    """d(sample)/d(rows) against central differences, for coefficients of every pass."""
    x = torch.tensor([0.3, -0.7], dtype=torch.float64)
    plan = module.Plan(grid_of(module), x.dtype)
    plan.rows.requires_grad_()
    (gradient,) = torch.autograd.grad(module.sample(network, x, plan).sum(), plan.rows)
    assert gradient.abs().max() > 0
    largest = gradient.abs().flatten().topk(6).indices.tolist()
    exact, step = plan.rows.detach(), 1e-6
    for place in largest:
        sides = []
        for sign in (1, -1):
            plan.rows = exact.clone()
            plan.rows.view(-1)[place] += sign * step
            sides.append(module.sample(network, x, plan).sum())
        numeric = float(sides[0] - sides[1]) / (2 * step)
        assert float(gradient.view(-1)[place]) == pytest.approx(numeric, rel=1e-6)


MODES = ["110000", "000100", "111001", "101101", "000111"]


@pytest.mark.parametrize("modes", MODES)
def test_no_gradient_is_silently_wrong(sized: ModuleType, modes: str, monkeypatch) -> None:
    """Steps with and without gradients, 1 and 0, after each of which the sample is looked at.

    A value that autograd has kept may have been written over; then it refuses.
    """
    found = _gradients(sized, modes)
    monkeypatch.setattr(sized, "_is_reusable", lambda array: False)
    refused = 0
    for gradient, exact in zip(found, _gradients(sized, modes), strict=True):
        if isinstance(gradient, str):
            assert "modified by an inplace operation" in gradient
            refused += 1
        else:
            assert not isinstance(exact, str)
            torch.testing.assert_close(gradient, exact)
    assert refused == 0 or (sized.HISTORY > 1 and "10" in modes.lstrip("1"))


def _gradients(module: ModuleType, modes: str) -> list[tuple[torch.Tensor, ...] | str]:
    """d(sample)/d(coefficients, factor of the model) after every step, or what autograd says."""
    plan = module.Plan(grid_of(module, len(modes)), torch.float64)
    plan.rows.requires_grad_()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    stepper = module.Stepper(torch.linspace(-1, 1, 20, dtype=torch.float64), plan)
    samples = []
    for step, mode in enumerate(modes):
        with nullcontext() if mode == "1" else torch.no_grad():
            while stepper._step == step:
                stepper.step(factor * network(stepper.x, stepper.t))
        samples.append(stepper.x)
    found: list[tuple[torch.Tensor, ...] | str] = []
    for one in samples:
        if one.requires_grad:
            try:
                found.append(
                    torch.autograd.grad((one**2).sum(), (plan.rows, factor), retain_graph=True)
                )
            except RuntimeError as error:
                found.append(str(error))
    assert found
    return found


@pytest.mark.parametrize("compiled", [False, True])
def test_inference_mode_may_end_in_the_middle(module: ModuleType, compiled: bool) -> None:
    """Tensors that were made in it cannot be written to outside."""
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)
    plan = module.Plan(grid_of(module), x.dtype, compiled=compiled)
    stepper = module.Stepper(x, plan)
    with torch.inference_mode():
        while stepper._step < 4:
            stepper.step(network(stepper.x, stepper.t))
    while not stepper.done:
        stepper.step(network(stepper.x, stepper.t))
    assert torch.equal(stepper.x, module.sample(network, x, plan))


def test_batches_and_tangents_of_the_sample(sized: ModuleType) -> None:
    """vmap, jvp and dual tensors."""
    x = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(2, 9)
    plan = sized.Plan(grid_of(sized), x.dtype)

    def run(start: torch.Tensor) -> torch.Tensor:
        return sized.sample(network, start, plan)

    exact = torch.autograd.grad(run(x.requires_grad_()).sum(), x)[0]
    x = x.detach()
    torch.testing.assert_close(torch.func.vmap(run)(x), run(x))
    value, tangent = torch.func.jvp(run, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(value, run(x))
    torch.testing.assert_close(tangent, exact)
    with forward_ad.dual_level():
        found = run(forward_ad.make_dual(x, torch.ones_like(x)))
        torch.testing.assert_close(forward_ad.unpack_dual(found).tangent, exact)


def test_batches_and_tangents_of_the_coefficients(sized: ModuleType) -> None:
    """The same, through the rows of the plan."""
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    plan = sized.Plan(grid_of(sized), x.dtype)
    rows, slope = plan.rows, torch.ones_like(plan.rows)

    def run(changed: torch.Tensor) -> torch.Tensor:
        plan.rows = changed
        return sized.sample(network, x, plan)

    exact = torch.stack(
        [torch.autograd.grad(run(rows.requires_grad_())[i], rows)[0].sum() for i in range(9)]
    )
    rows = rows.detach()
    with forward_ad.dual_level():
        found = run(forward_ad.make_dual(rows, slope))
        torch.testing.assert_close(forward_ad.unpack_dual(found).tangent, exact)
    two = torch.stack([rows, 1.001 * rows])
    torch.testing.assert_close(torch.func.vmap(run)(two), torch.stack([run(two[0]), run(two[1])]))


def traced(run: Callable, x: torch.Tensor) -> Callable:
    return torch.jit.trace(run, (x,), check_trace=False)


def proxied(run: Callable, x: torch.Tensor) -> Callable:
    return make_fx(run)(x)


@pytest.mark.parametrize("recorded", [traced, proxied])
def test_recorded_runs_repeat_every_operation(sized: ModuleType, recorded: Callable) -> None:
    """What a tracer records is all that happened."""
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)
    plan = sized.Plan(grid_of(sized), x.dtype)

    def run(start: torch.Tensor) -> torch.Tensor:
        return sized.sample(network, start, plan)

    torch.testing.assert_close(recorded(run, x)(2 * x), run(2 * x))
