"""The torch target under autograd, torch.func, inference mode and tracers.

Nothing is written in place: whoever follows what happens to the tensors is told all of it.
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
def test_no_gradient_is_wrong(module: ModuleType, modes: str) -> None:
    """Steps with and without gradients, 1 and 0, after each of which the sample is looked at.

    Against the same run on copies of all arrays, of which nothing can be written over.
    """
    found, exact = (_gradients(module, modes, copies) for copies in (False, True))
    assert len(found) == len(exact) > 0
    for gradients, expected in zip(found, exact, strict=True):
        assert all(one.isfinite().all() for one in gradients)
        torch.testing.assert_close(gradients, expected)


def _gradients(module: ModuleType, modes: str, copies: bool) -> list[tuple[torch.Tensor, ...]]:
    """d(sample)/d(coefficients, factor of the model) after every step that has one."""
    plan = module.Plan(grid_of(module, len(modes)), torch.float64)
    plan.rows.requires_grad_()
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    stepper = module.Stepper(torch.linspace(-1, 1, 20, dtype=torch.float64), plan)
    samples, per_mode = [], -(-len(stepper) // len(modes))
    for step, mode in enumerate(modes):
        with nullcontext() if mode == "1" else torch.no_grad():
            while stepper.index < min((step + 1) * per_mode, len(stepper)):
                if copies:
                    _copy(stepper)
                stepper.step(factor * network(stepper.x, stepper.t))
        samples.append(stepper.x)
    assert stepper.done
    return [
        torch.autograd.grad((one**2).sum(), (plan.rows, factor), retain_graph=True)
        for one in samples
        if one.requires_grad
    ]


def _copy(stepper) -> None:
    """Its own memory for everything that a run remembers."""
    with torch.enable_grad():
        stepper.x = stepper.x.clone()
        stepper._past = tuple(one.clone() for one in stepper._past)
        if hasattr(stepper, "_start"):
            stepper._start = stepper._start.clone()


def test_nothing_is_written(module: ModuleType) -> None:
    """Not into the user's x, and not into anything that the network got or gave."""
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = [(x, x.clone())]

    def watched(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        prediction = network(y, t)
        seen.extend((one, one.clone()) for one in (y, prediction))
        return prediction

    found = module.sample(watched, x, grid_of(module))
    assert found is not x
    for one, before in seen:
        assert one._version == 0
        assert torch.equal(one, before)


def test_the_network_may_reuse_its_memory(module: ModuleType) -> None:
    """As one that is captured in a CUDA graph does: a value that is kept is no view of it."""
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    output = torch.empty_like(x)
    found = module.sample(lambda y, t: output.copy_(network(y, t)), x, grid_of(module))
    assert torch.equal(found, module.sample(network, x, grid_of(module)))


@pytest.mark.parametrize("compiled", [False, True])
def test_inference_mode_may_end_in_the_middle(module: ModuleType, compiled: bool) -> None:
    """Tensors that were made in it cannot be written to outside.

    Either kind has graphs of its own, which may be rounded otherwise.
    """
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)
    plan = module.Plan(grid_of(module), x.dtype, compiled=compiled)
    stepper = module.Stepper(x, plan)
    with torch.inference_mode():
        while stepper.index < 4:
            stepper.step(network(stepper.x, stepper.t))
    while not stepper.done:
        stepper.step(network(stepper.x, stepper.t))
    expected = module.sample(network, x, plan)
    torch.testing.assert_close(stepper.x, expected, rtol=1e-13, atol=1e-13)


def test_batches_and_tangents_of_the_sample(module: ModuleType) -> None:
    """vmap, jvp and dual tensors."""
    x = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(2, 9)
    plan = module.Plan(grid_of(module), x.dtype)

    def run(start: torch.Tensor) -> torch.Tensor:
        return module.sample(network, start, plan)

    exact = torch.autograd.grad(run(x.requires_grad_()).sum(), x)[0]
    x = x.detach()
    torch.testing.assert_close(torch.func.vmap(run)(x), run(x))
    value, tangent = torch.func.jvp(run, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(value, run(x))
    torch.testing.assert_close(tangent, exact)
    with forward_ad.dual_level():
        found = run(forward_ad.make_dual(x, torch.ones_like(x)))
        torch.testing.assert_close(forward_ad.unpack_dual(found).tangent, exact)


def test_batches_and_tangents_of_the_coefficients(module: ModuleType) -> None:
    """The same, through the rows of the plan."""
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    plan = module.Plan(grid_of(module), x.dtype)
    rows, slope = plan.rows, torch.ones_like(plan.rows)

    def run(changed: torch.Tensor) -> torch.Tensor:
        plan.rows = changed
        return module.sample(network, x, plan)

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
def test_recorded_runs_repeat_every_operation(module: ModuleType, recorded: Callable) -> None:
    """What a tracer records is all that happened."""
    x = torch.linspace(-1, 1, 12, dtype=torch.float64)
    plan = module.Plan(grid_of(module), x.dtype)

    def run(start: torch.Tensor) -> torch.Tensor:
        return module.sample(network, start, plan)

    torch.testing.assert_close(recorded(run, x)(2 * x), run(2 * x))
