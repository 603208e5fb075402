"""The k-diffusion target, and one solver through all four routes."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from torch._dynamo.testing import CompileCounter

import solvergen as sg
from solvergen import compiler
from solvergen.measurement.problems import GaussianMixture

MIXTURE = GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16]))
CHOICES = [
    ("data", "half_log_snr", "multistep:2"),
    ("data", "half_log_snr", "multistep:3"),
    ("flow", "time", "multistep:3"),
    ("data", "sigma/(alpha+sigma)", "singlestep:2"),
    ("data", "half_log_snr", "singlestep:3"),
    ("data", "half_log_snr", "unipc:2:bh2"),
    ("straight", "time", "midpoint"),
]
X = torch.randn(5, 3, 1, generator=torch.Generator().manual_seed(0)).double()
SIGMAS = torch.tensor([1.0, 0.9, 0.72, 0.5, 0.31, 0.1, 0.0]).double()


def sampler(one: ModuleType) -> Any:
    (name,) = [name for name in vars(one) if name.startswith("sample_")]
    return getattr(one, name)


def denoised(x: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
    """E[x_0 | x] on the mixture."""
    return torch.from_numpy(MIXTURE.posterior_mean(x.numpy(), alpha, sigma)).to(x.dtype)


def flow_model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """In the convention of k-diffusion: one noise level for each of the batch."""
    assert sigma.shape == x.shape[:1]
    assert torch.all(sigma == sigma[0])
    return denoised(x, 1 - float(sigma[0]), float(sigma[0]))


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_four_routes_give_one_sample(choice: tuple[str, ...]) -> None:
    """Stepper, sample, the scheduler of a pipeline and the function of k-diffusion, to rounding."""
    spec = compiler.adapted(sg.Solver("rectified_flow", "data", *choice), "k-diffusion")
    torch_module = sg.compile(spec, "torch")

    def model(x: torch.Tensor, t: Any) -> torch.Tensor:
        return denoised(x, 1 - float(t), float(t))

    stepper = torch_module.Stepper(X, SIGMAS.numpy())
    while not stepper.done:
        stepper.step(model(stepper.x, stepper.t))
    by_sample = torch_module.sample(model, X, SIGMAS.numpy())
    by_function = sampler(sg.compile(spec, "k-diffusion"))(flow_model, X, SIGMAS, disable=True)
    scheduler = sg.compile(spec, "diffusers").Scheduler()
    scheduler.set_timesteps(sigmas=SIGMAS[:-1].tolist())
    by_scheduler = X
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        output = model(by_scheduler, min(float(sigma), 1.0))
        by_scheduler = scheduler.step(output, t, by_scheduler).prev_sample
    assert torch.equal(by_sample, stepper.x)
    assert (by_function - by_sample).abs().max() < 1e-14
    assert (by_scheduler - by_sample).abs().max() < 2e-7  # asked at levels that float32 holds


@pytest.mark.parametrize("scheme", ["multistep:2", "multistep:3", "singlestep:2", "unipc:2:exact"])
def test_scaled_schedules_are_one_solver(scheme: str) -> None:
    """x = alpha (x_0 + rho eps): a solver of noise levels is the same in both spaces."""
    choice = ("data", "data", "half_log_snr", scheme)
    one, two = (
        sg.compile(sg.Solver("ve", *choice), "k-diffusion"),
        sg.compile(compiler.adapted(sg.Solver("vp_alphabar", *choice), "k-diffusion"), "torch"),
    )
    sigmas = np.array([14.6, 6.0, 2.2, 0.9, 0.3, 0.03, 0.0])
    times = sigmas**2 / (1 + sigmas**2)
    found = sampler(one)(
        lambda x, sigma: denoised(x, 1.0, float(sigma[0])), 14.6 * X, torch.from_numpy(sigmas),
        disable=True,
    )  # fmt: skip
    expected = two.sample(
        lambda x, t: denoised(x, float(1 - t) ** 0.5, float(t) ** 0.5),
        14.6 * X * np.sqrt(1 - times[0]),
        times,
    )
    assert (found - expected).abs().max() < 1e-12


def test_convention() -> None:
    """extra_args, the callback's dict once a step, the progress bar, and the batch of sigmas."""
    one = sg.compile(sg.Solver("ve", "data", "data", "half_log_snr", "singlestep:2"), "k-diffusion")
    calls, seen = [], []

    def model(x: torch.Tensor, sigma: torch.Tensor, scale: float) -> torch.Tensor:
        calls.append(sigma)
        return scale * x / (1 + sigma[:, None] ** 2)

    sigmas = torch.tensor([10.0, 3.0, 1.0, 0.0])
    x = torch.ones(4, 2)
    found = one.sample_data_singlestep_2(model, x, sigmas, {"scale": 0.5}, seen.append, True)
    assert found.shape == x.shape
    assert [set(one) for one in seen] == [{"x", "i", "sigma", "sigma_hat", "denoised"}] * 3
    assert [one["i"] for one in seen] == [0, 1, 2]
    assert [float(one["sigma"]) for one in seen] == [10.0, 3.0, 1.0]
    assert torch.equal(seen[0]["x"], x)
    assert torch.equal(seen[0]["denoised"], 0.5 * x / 101)
    assert len(calls) == 5  # the last step is of first order, because lambda is infinite there
    assert all(sigma.shape == (4,) for sigma in calls)
    assert torch.equal(found, seen[-1]["denoised"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("steps", [1, 2, 50])
def test_finite_to_the_exact_end(steps: int, dtype: torch.dtype) -> None:
    for schedule, top in (("ve", 14.6), ("rectified_flow", 1.0)):
        spec = sg.Solver(schedule, "data", "data", "half_log_snr", "multistep:3")
        sigmas = torch.linspace(top, 0.0, steps + 1)
        found = sampler(sg.compile(spec, "k-diffusion"))(
            lambda x, sigma: x * 0.5, (top * X).to(dtype), sigmas, disable=True
        )
        assert found.dtype == dtype
        assert found.isfinite().all()


def test_sigmas_of_the_other_space_are_refused() -> None:
    one = sg.compile(sg.Solver("rectified_flow", "data", "data"), "k-diffusion")
    with pytest.raises(ValueError, match=r"got \[14.6"):
        sampler(one)(flow_model, X, torch.tensor([14.6, 0.0]).double())


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("ve", "noise"), "use prediction=data"),
        (("vp_linear", "data"), r"expected sigma = t with alpha = 1"),
        (("flow_shifted", "data"), r"expected sigma = t with alpha = 1"),
        (("edm", "data"), "use the schedule ve"),
        (("rectified_flow", "data", "noise"), "No run may start at t = 1"),
        (
            ("rectified_flow", "data", "flow", "time", "heun"),
            "No run may end at t = 0, where sigma = 0: the prediction data does not determine flow",
        ),
    ],
)
def test_solvers_of_no_noise_level_are_refused(choice: tuple[str, ...], message: str) -> None:
    with pytest.raises(sg.SolvergenError, match=message):
        sg.emit(sg.Solver(*choice), "k-diffusion")


@pytest.mark.parametrize("scheme", ["multistep:2", "singlestep:2", "heun"])
def test_the_denoised_sample_may_be_changed(scheme: str) -> None:
    """The same as a model that does it; the callback sees what is used."""
    spec = sg.Solver("ve", "data", "data", "half_log_snr", scheme)
    function = sampler(sg.compile(spec, "k-diffusion"))
    sigmas, seen = torch.tensor([10.0, 4.0, 1.5, 0.4, 0.0]).double(), []

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return denoised(x, 1.0, float(sigma[0]))

    def clipped(data: torch.Tensor, x: torch.Tensor, sigma: Any) -> torch.Tensor:
        assert data.shape == x.shape
        return data.clamp(-0.5, 0.5 + 0.01 * float(sigma))

    expected = function(
        lambda x, sigma: clipped(model(x, sigma), x, sigma[0]), 10 * X, sigmas, disable=True
    )
    found = function(model, 10 * X, sigmas, None, seen.append, True, on_data=clipped)
    assert torch.equal(found, expected)
    assert all(one["denoised"].abs().max() <= 0.6 for one in seen)
    assert not torch.equal(found, function(model, 10 * X, sigmas, disable=True))


@pytest.mark.parametrize(
    ("scheme", "stochasticity"),
    [("multistep:2", None), ("singlestep:2", "eta: 1"), ("rk4", None)],  # rk4 has two passes
)
def test_passes_are_compiled_before_the_first_step(
    scheme: str, stochasticity: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, where a plan compiles: for each of several latents, nothing is left to compile
    when the model is asked, and the noise that is drawn is that of an uncompiled run."""
    spec = sg.Solver(
        "ve", "data", "data", "half_log_snr", scheme, stochasticity=stochasticity
    )  # fmt: skip
    module = sg.compile(spec, "k-diffusion")
    plan, counter, graphs = module.Plan, CompileCounter(), []

    class Compiled(plan):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, compiled=True, **options)

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        graphs[-1].append(counter.frame_count)
        return denoised(x, 1.0, float(sigma[0]))

    torch._dynamo.reset()
    compiled = torch.compile
    sigmas = torch.tensor([10.0, 4.0, 1.5, 0.4, 0.1]).double()
    for x in (X, X[:, :2], torch.cat([X, X])):
        runs = []
        for kind in (plan, Compiled):
            monkeypatch.setattr(module, "Plan", kind)
            monkeypatch.setattr(torch, "compile", lambda one: compiled(one, backend=counter))
            graphs.append([])
            torch.manual_seed(0)
            runs.append(sampler(module)(model, 10 * x, sigmas, disable=True))
        assert len(set(graphs[-1])) == 1
        assert graphs[-1][0] == counter.frame_count > graphs[0][0]
        torch.testing.assert_close(*runs)


@pytest.mark.parametrize("first", [100.0, 120.0, 500.0, 700.0, 4518.0])
def test_levels_beyond_80_need_no_parameter(first: float) -> None:
    """Of networks that begin there; a module with a parameter says where it ends."""
    choices = ("data", "data", "sigma/(alpha+sigma)", "unipc:2:exact:ramp")
    sigmas = torch.tensor([*np.geomspace(first, 0.02, 40), 0.0]).double()

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return denoised(x, 1.0, float(sigma[0]))

    x = first * X
    wide = sg.compile(sg.Solver("ve", *choices), "k-diffusion")
    found = sampler(wide)(model, x, sigmas, disable=True)
    exact = MIXTURE.exact_flow(x.numpy(), (1.0, first), (1.0, 0.0))
    np.testing.assert_allclose(found.numpy(), exact, atol=0.02)
    narrow = sg.compile(sg.Solver(sg.schedules.ve(90), *choices), "k-diffusion")
    with pytest.raises(ValueError, match=r"times in \[0.0, 90.0\]"):
        sampler(narrow)(model, x, sigmas)
