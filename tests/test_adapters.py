"""The page on other people's loops: its code runs, in stand-ins of what those libraries ask for.

Each stand-in keeps a contract: names, arguments, shapes, who scales the noise. The data are
Gaussian, N(0, 0.3), so that the end of every run is known: x_T times the ratio of deviations.
"""

import importlib.util
import inspect
import itertools
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from solvergen.cli import app

PAGE = (Path(__file__).parents[1] / "docs" / "adapters.md").read_text()
VARIANCE = 0.3
X = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def snippet(heading):
    """The Python code of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.search("```python\n(.*?)```", section, re.DOTALL)[1]


def command(library):
    """What the table says to compile for a library."""
    (row,) = (
        one for one in PAGE.splitlines() if one.startswith("|") and library in one.split("|")[1]
    )
    return shlex.split(row.split("|")[3].strip(" `"))


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Runs a section, after what it imports: the module that the table's command writes, and
    stand-ins, {"library.module": names}.
    """

    def run(heading, library, ours, further=(), **stand_ins):
        path = tmp_path / f"{ours}.py"
        done = CliRunner().invoke(app, ["compile", *command(library), *further, "-o", str(path)])
        assert done.exit_code == 0, done.output
        spec = importlib.util.spec_from_file_location(ours, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, ours, module)
        spec.loader.exec_module(module)
        for name, members in stand_ins.items():
            parts = name.split("__")
            for n in range(1, len(parts)):
                outer = sys.modules.get(".".join(parts[:n])) or ModuleType(".".join(parts[:n]))
                monkeypatch.setitem(sys.modules, ".".join(parts[:n]), outer)
            inner = ModuleType(".".join(parts))
            inner.__dict__.update(members)
            monkeypatch.setitem(sys.modules, ".".join(parts), inner)
            if len(parts) > 1:
                setattr(sys.modules[".".join(parts[:-1])], parts[-1], inner)
        names = {}
        exec(snippet(heading), names)
        return module, names

    return run


def data(x, sigma):
    """E[x_0 | x] where x = x_0 + sigma eps, with a noise level for every sample."""
    assert sigma.shape in ((), (len(x),))
    sigma = sigma.reshape(-1, *(x.ndim - 1) * [1])
    return VARIANCE / (VARIANCE + sigma**2) * x


def flow(x, t):
    """dx/dt where x = (1 - t) x_0 + t eps."""
    t = t.reshape(-1, *(x.ndim - 1) * [1])
    return (t - (1 - t) * VARIANCE) / ((1 - t) ** 2 * VARIANCE + t**2) * x


def require_close(found, expected, tolerance):
    gap = float((found - expected).abs().max() / expected.abs().max())
    assert gap < tolerance, gap


def test_sgm(page):
    class BaseDiffusionSampler:
        """Its loop is given unit noise, which it scales in place; a guider doubles the batch."""

        def __init__(self, discretization, num_steps):
            self.discretization, self.num_steps = discretization, num_steps

        def prepare_sampling_loop(self, x, cond, uc=None, num_steps=None):
            sigmas = self.discretization(num_steps or self.num_steps)
            x *= torch.sqrt(1.0 + sigmas[0] ** 2.0)
            uc = cond if uc is None else uc
            return x, x.new_ones([x.shape[0]]), sigmas, len(sigmas), cond, uc

        def denoise(self, x, denoiser, sigma, cond, uc):
            both = denoiser(torch.cat([x] * 2), torch.cat([sigma] * 2), torch.cat([uc, cond]))
            u, c = both.chunk(2)
            return u + 1.0 * (c - u)

    def levels(count):
        ramp = torch.linspace(700**0.2, 0.002**0.2, count, dtype=torch.float64)
        return torch.cat([ramp**5, torch.zeros(1)])

    contract = {"BaseDiffusionSampler": BaseDiffusionSampler}
    _, names = page(
        "sgm", "sgm", "my_ve_sampler", sgm__modules__diffusionmodules__sampling=contract
    )
    sampler = names["Solvergen"](levels, 20)
    shift = torch.ones(3, 1)

    def denoiser(x, sigma, cond):
        return data(x - cond, sigma) + cond

    found = sampler(denoiser, X.clone(), shift)
    start = X * (1 + 700.0**2) ** 0.5
    require_close(found, (start - 1) * (VARIANCE / (VARIANCE + 700.0**2)) ** 0.5 + 1, 2e-2)


def test_edm2(page):
    _module, names = page("EDM2", "EDM2", "my_ve_data")
    asked = []

    def net(x, sigma, labels):
        assert sigma.ndim == 0
        assert labels is None
        asked.append(float(sigma))
        return data(x, sigma).float()  # networks compute in half precision

    sample, dtype = names["solvergen_sampler"], torch.float64
    found = sample(net, X, None, net, 32, randn_like=torch.randn_like, dtype=dtype)
    require_close(found, X * 80 * (VARIANCE / (VARIANCE + 80.0**2)) ** 0.5, 2e-2)
    n = np.arange(32)
    grid = (80 ** (1 / 7) + n / 31 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(np.unique(asked)[::-1][[0, -1]], [80, 0.002])
    assert set(np.round(grid, 9)) <= set(np.round(asked, 9))
    guided = sample(net, X, gnet=lambda x, *_: 0 * x, guidance=1.5, dtype=dtype)
    assert not torch.allclose(guided, found)


def test_minrf(page):
    class RF:
        def __init__(self, model):
            self.model = model

    _module, names = page("minRF", "minRF", "my_flow", rf={"RF": RF})

    def model(z, t, cond):
        assert t.shape == cond.shape == (3,)
        return flow(z, t)

    images = names["Solvergen"](model).sample(X, torch.arange(3), torch.full((3,), 10), 30)
    assert len(images) == 31
    assert images[0] is X
    require_close(images[-1], X * VARIANCE**0.5, 1e-2)


def test_flow_matching_and_torchcfm(page):
    heading = "flow_matching and torchcfm"
    _module, names = page(heading, "flow_matching", "my_reversed_flow")
    asked = []

    def velocity(x, t, label=None):
        """From noise at 0 to data at 1."""
        assert label == "cat"
        asked.append(float(t))
        return -flow(x, 1 - t)

    found = names["sample_velocity"](velocity, X, 30, label="cat")
    require_close(found, X * VARIANCE**0.5, 1e-2)
    assert asked[0] == 0
    assert asked == sorted(asked)

    class Wrapper:  # of torchcfm: forward(t, x)
        def __call__(self, t, x):
            return velocity(x, t, "cat")

    torch.testing.assert_close(names["sample_velocity"](Wrapper(), X, 30), found)


def test_physicsnemo(page):
    _module, names = page("physicsnemo", "physicsnemo", "my_ve_flow")

    def denoiser(x, t):
        assert t.shape == (3,)
        return (x - data(x, t)) / t.reshape(-1, 1)

    def sample(x, solver, time_steps):
        """The library's loop: one step after another, with a time for every sample."""
        times = time_steps.to(x)
        for now, after in itertools.pairwise(times):
            x = solver.step(x, now.expand(len(x)), after.expand(len(x))).detach()
        return x

    grid = torch.cat([torch.linspace(80 ** (1 / 7), 0.05 ** (1 / 7), 25) ** 7, torch.zeros(1)])
    grid = grid.double()
    solver = names["Solvergen"](denoiser, grid)
    exact = X * 80 * (VARIANCE / (VARIANCE + 80.0**2)) ** 0.5
    first = sample(X * 80, solver, grid)
    require_close(first, exact, 1e-2)
    assert torch.equal(sample(X * 80, solver, grid), first)  # it begins anew
    with pytest.raises(ValueError, match="the grid is at"):
        solver.step(X, grid[3].expand(3), grid[4].expand(3))


def test_invokeai(page):
    from diffusers import DDIMScheduler, EulerDiscreteScheduler

    schedulers = {"ddim": (DDIMScheduler, {}), "deis": (EulerDiscreteScheduler, {})}
    contract = {"SCHEDULER_MAP": schedulers}
    page(
        "InvokeAI", "InvokeAI", "my_scheduler",
        invokeai__backend__stable_diffusion__schedulers__schedulers=contract,
    )  # fmt: skip

    def get_scheduler(name, original):
        """By name; the pipeline's config is kept inside the new one."""
        kind, further = schedulers.get(name, schedulers["ddim"])
        config = original.config.get("_backup", original.config)
        return kind.from_config({**config, **further, "_backup": config})

    original = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012,
                             steps_offset=1, clip_sample=False)  # fmt: skip
    scheduler = get_scheduler("deis", original)
    again = get_scheduler("deis", scheduler)
    assert type(scheduler).__module__ == "my_scheduler"
    scheduler.set_timesteps(20, device="cpu")
    again.set_timesteps(20, device="cpu")
    assert scheduler.timesteps.tolist() == again.timesteps.tolist()
    levels = torch.as_tensor(original.alphas_cumprod).double()
    x = X.float()
    for t in scheduler.timesteps[:: scheduler.order]:
        a = levels[int(t)]
        noise = (1 - a).sqrt() / (a * VARIANCE + 1 - a) * x
        x = scheduler.step(noise.float(), t, x, return_dict=False)[0]
    a = levels[int(scheduler.timesteps[0])]
    require_close(x.double(), X * (VARIANCE / (a * VARIANCE + 1 - a)) ** 0.5, 5e-2)


def test_sd_next(page):
    from diffusers import FlowMatchEulerDiscreteScheduler

    common = {"num_train_timesteps": 1000, "beta_start": 0.0001, "prediction_type": "epsilon"}

    class DiffusionSampler:
        """Its config: the common one, what the model's scheduler says of these options, that of
        the label, then the user's settings for what is there; what the class does not take is
        dropped.
        """

        def __init__(self, label, constructor, model):
            config = dict(common)
            config |= {key: one for key, one in model.config.items() if key in config}
            config |= contract["config"].get(label, {})
            config |= {"shift": 3.0} if "shift" in config else {}
            if "Flow" in label:
                config["prediction_type"] = "flow_prediction"
            taken = inspect.signature(constructor, follow_wrapped=True).parameters
            self.sampler = constructor(**{k: v for k, v in config.items() if k in taken})

    contract = {
        "config": {"UniPC": {}}, "samplers_data_diffusers": [],
        "DiffusionSampler": DiffusionSampler,
        "SamplerData": lambda *fields: SimpleNamespace(
            **dict(zip(("name", "constructor", "aliases", "options"), fields, strict=True))
        ),
    }  # fmt: skip
    module, names = page(
        "SD.Next", "SD.Next", "my_flow_scheduler", modules__sd_samplers_diffusers=contract
    )
    (listed,) = contract["samplers_data_diffusers"]
    model = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler = listed.constructor(model).sampler
    assert isinstance(scheduler, module.Scheduler)
    parameters = inspect.signature(scheduler.set_timesteps).parameters
    assert {"sigmas", "timesteps"} <= set(parameters)
    assert hasattr(scheduler, "scale_noise")
    scheduler.set_timesteps(20)
    model.set_timesteps(20)
    np.testing.assert_allclose(scheduler.sigmas[:20], model.sigmas[:20], atol=2e-3)
    del contract["config"][names["label"]]
    assert listed.constructor(model).sampler.config.shift == 1.0  # the trap that the page names


def test_forge(page):
    class KDiffusionSampler:
        """It calls a function by the names of its arguments, on noise that it has scaled."""

        def __init__(self, funcname, model):
            assert callable(funcname)
            self.func, self.model = funcname, model

        def sample(self, x, sigmas, cond):
            assert "sigmas" in inspect.signature(self.func).parameters
            return self.func(
                self.model, x * sigmas[0], extra_args={"cond": cond}, disable=False,
                callback=self.callback_state, sigmas=sigmas,
            )  # fmt: skip

        def callback_state(self, d):
            self.last, self.step = d["denoised"], d["i"]

    class SamplerData(SimpleNamespace):
        def __init__(self, name, constructor, aliases, options):
            super().__init__(name=name, constructor=constructor, aliases=aliases, options=options)

    listed, by_alias = {"all_samplers": [], "all_samplers_map": {}}, {}
    listed["set_samplers"] = lambda: by_alias.update(
        {alias: one.name for one in listed["all_samplers"] for alias in one.aliases}
    )
    page(
        "Forge", "Forge", "my_ve_sampler",
        modules__sd_samplers=listed,
        modules__sd_samplers_common={"SamplerData": SamplerData},
        modules__sd_samplers_kdiffusion={"KDiffusionSampler": KDiffusionSampler},
    )  # fmt: skip
    found = listed["all_samplers_map"][by_alias["solvergen_data"]]
    sampler = found.constructor(lambda x, sigma, cond: data(x, sigma))
    sigmas = torch.linspace(14.6 ** (1 / 7), 0, 31, dtype=torch.float64) ** 7
    result = sampler.sample(X, sigmas, "cond")
    require_close(result, X * 14.6 * (VARIANCE / (VARIANCE + 14.6**2)) ** 0.5, 2e-2)
    assert sampler.step == 29


def test_jax(page):
    import jax

    further = ["--schedule", "rectified_flow", "--prediction", "flow", "--expansion", "time"]
    module, names = page("JAX", "JAX", "my_jax_solver", further)
    names["network"] = lambda scale, x, t: scale * flow(x, t)
    x = jax.numpy.asarray(X.numpy(), "float32")
    plan = module.Plan(module.timesteps(30), x.dtype)
    found = np.asarray(names["generate"](1.0, x, plan))
    require_close(torch.tensor(found).double(), X * VARIANCE**0.5, 1e-2)
    assert np.isfinite(jax.grad(lambda s: names["generate"](s, x, plan).sum())(1.0))


def test_every_section_is_run():
    sections = re.findall(r"\n## (.*)", PAGE)
    source = Path(__file__).read_text()
    assert len(sections) == 9
    assert all(f'"{one}"' in source for one in sections)
