"""A search from its noises to a module."""

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
import torch
from searches import FLOW, MIXTURE, tuned

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.errors import EmissionError, SolvergenError
from solvergen.tuning import problems
from solvergen.tuning.examples import Score
from solvergen.tuning.execution import ordered
from solvergen.tuning.methods import Setting
from solvergen.tuning.stages import passes
from solvergen.tuning.teacher import TEACHING


@pytest.fixture(scope="module")
def once():
    return tuned(against=["flow_euler"])


def test_it_is_better_than_any_published_solver_and_says_how_much(once):
    report = once.report
    validation = {name: score for name, score, _ in report.stages}
    assert set(validation) == {"published", "methods", "grid"}
    best = min(score.geometric_mean for _, score, kept in report.stages if kept)
    assert best <= validation["published"].geometric_mean
    assert report.tuned.score.geometric_mean < 0.6 * report.published.score.geometric_mean
    assert [one.name for one in report.lines] == ["tuned", "published", "flow_euler"]
    assert len(report.tuned.errors) == 24
    each = np.array(report.tuned.errors)
    assert report.tuned.score.rms == pytest.approx(np.sqrt(np.mean(each**2)))
    assert report.tuned.score.median == pytest.approx(np.median(each))
    for part in ("geometric mean", "flow_euler", "seed 0", once.report.teacher):
        assert part in str(report)
    assert str(report).splitlines()[0] in report._repr_html_()


def test_the_module_is_baked_with_its_grid_and_says_what_it_is_for(once, tmp_path):
    path = once.write(tmp_path / "solver.py", "numpy")
    module = sg.compiler.load(path)
    assert tuple(module.TIMESTEPS.tolist()) == once.timesteps
    text = " ".join(module.__doc__.split())
    for part in ("Tuned for the exact problem mixture at 5 evaluations", "valid for this model",
                 "held-out noises", once.report.published.solver, "seed 0"):  # fmt: skip
        assert part in text
    assert sg.from_specification(module.SPEC).specification == once.solver.specification
    noise = np.random.default_rng(3).standard_normal((6, 3))
    free = sg.compile(once.solver, "numpy").sample(MIXTURE, noise, np.array(once.timesteps))
    np.testing.assert_allclose(module.sample(MIXTURE, noise), free, rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", ["numba", "torch", "jax"])
def test_every_target_samples_the_same(once, target):
    noise = np.random.default_rng(3).standard_normal((4, 3)).astype(np.float32)
    native = {"numba": np.asarray, "torch": torch.tensor}.get(target)
    if native is None:
        from jax import numpy as jnp

        native = jnp.asarray
    module = sg.compiler.load_text(once.source(target), "tuned")

    def model(x, t):
        return native(np.asarray(MIXTURE(np.asarray(x), float(t)), dtype=np.float32))

    spec = once.solver.specification
    method = sg.Method(spec["integrand"], spec["expansion"], spec["scheme"])
    expected = FLOW.run(method, once.timesteps).sample(MIXTURE, noise)
    if target == "jax":
        found = module.sample(model, native(noise), callback=lambda x, t: None)
    else:
        found = module.sample(model, native(noise))
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-4)


def test_a_pipeline_s_scheduler_and_a_sampler_of_k_diffusion_take_its_steps(once):
    """The same sample as on the numpy module, and the numbers of the search."""
    noise = np.random.default_rng(3).standard_normal((4, 3))
    expected = once.compile("numpy").sample(MIXTURE, noise)
    texts = [" ".join(once.source(one).split()) for one in ("diffusers", "k-diffusion")]
    assert all("Tuned for the exact problem mixture at 5 evaluations" in one for one in texts)
    one, x = once.compile("diffusers"), torch.tensor(noise)
    scheduler = one.Scheduler()
    scheduler.set_timesteps(5)
    for t, (level, *_) in zip(scheduler.timesteps, one.ROWS, strict=True):
        x = scheduler.step(torch.tensor(MIXTURE(x.numpy(), level)), t, x).prev_sample
    np.testing.assert_allclose(x, expected, atol=1e-11)
    one = once.compile("k-diffusion")
    (sample,) = (value for name, value in vars(one).items() if name.startswith("sample_"))

    def denoised(x, sigma):
        return x - sigma[0] * torch.tensor(MIXTURE(x.numpy(), float(sigma[0])))

    found = sample(denoised, torch.tensor(noise), disable=True)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_the_result_does_not_depend_on_who_computes(once):
    with ThreadPoolExecutor(3) as pool:
        other = tuned(against=["flow_euler"], executor=pool)
    assert other.timesteps == once.timesteps
    assert str(other.report) == str(once.report)


class Dying(Executor):
    """Whose every third task dies with its worker."""

    count = 0

    def submit(self, function, /, *arguments, **options):
        future: Future = Future()
        self.count += 1
        if self.count % 3 == 0:
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(function(*arguments, **options))
        return future


def test_tasks_of_dead_workers_are_done_again_in_their_order():
    assert list(ordered(Dying(), lambda n: n * n, range(10))) == [n * n for n in range(10)]


def test_a_budget_ends_a_search_with_the_best_so_far(once):
    rows = []
    few = tuned(budget=5000, progress=lambda stage, spent, best: rows.append((stage, spent, best)))
    assert "budget" in few.report.stopped
    assert few.report.cost < once.report.cost
    assert rows[-1][1] <= 5000
    assert [spent for _, spent, _ in rows] == sorted(spent for _, spent, _ in rows)
    assert [best for _, _, best in rows] == sorted((best for _, _, best in rows), reverse=True)


def test_an_interrupt_keeps_the_best_so_far(once):
    def stop(stage, spent, best):
        if stage == "grid":
            raise KeyboardInterrupt

    found = tuned(progress=stop)
    assert "Interrupted" in found.report.stopped
    assert [name for name, *_ in found.report.stages] == ["published", "methods"]


@pytest.mark.parametrize("bad", ["shape", "nan", "kind", "raises"])
def test_models_of_the_wrong_kind_are_one_clear_error(bad):
    def model(x, t):
        good = MIXTURE(np.asarray(x), t)
        return {"shape": good[:, :2], "nan": good * np.nan, "kind": x * 3}.get(bad)

    words = {"shape": "of the shape", "nan": "not finite", "kind": "flow", "raises": "expected"}
    with pytest.raises(SolvergenError, match=words[bad]):
        tuned(model, shape=(3,))


@pytest.mark.parametrize(
    ("truth", "said"), [("noise", "data"), ("data", "noise"), ("noise", "velocity")]
)
def test_a_prediction_that_does_not_fit_is_found_at_the_teacher(truth, said):
    setting = Setting.of("vp_linear", truth)
    model = problems.ExactModel("mixture", problems.mixture(8, 8, std=0.5, seed=3), setting)
    with pytest.raises(SolvergenError, match=f"return {said}|no {said}"):
        tuned(lambda x, t: model(x, t), "vp_linear", said, shape=(8,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"evaluations": 1}, "2 or more"),
        ({"evaluations": 2.5}, "2 or more"),
        ({"start": 0.2, "end": 0.7}, "start > end"),
        ({"model": "no.such:model", "shape": (3,)}, "cannot import 'no.such:model'"),
        ({"model": lambda x, t: x}, "shape=\\(..\\)"),
        ({"model": lambda x, t: x, "noise": np.zeros((5, 3))}, "an array of 42 samples"),
        ({"search": "everything"}, "'likely', 'all'"),
        ({"validate": 2}, "8 or more"),
        ({"coefficients": "some"}, "order, last, all"),
        ({"budget": 5}, "no candidate is left"),
        ({"against": ["no_such"]}, "unknown preset"),
        ({"teacher": (TEACHING, 2)}, "not converged"),
    ],
)
def test_bad_input_is_one_error(options, words):
    with pytest.raises(SolvergenError, match=words):
        tuned(**options)


def test_a_start_that_the_prediction_does_not_determine_is_refused():
    with pytest.raises(SolvergenError, match="noise does not determine the data at t = 1"):
        tuned(prediction="noise")


def test_torch_modules_are_called_in_their_own_kind_and_in_batches(once):
    class Network(torch.nn.Module):
        """The exact flow, and the sizes of the batches that it sees."""

        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float32))
            self.seen = set()

        def forward(self, x, t):
            self.seen.add((x.dtype, len(x) <= 64, x.requires_grad))
            return self.scale * torch.tensor(MIXTURE(x.numpy(), t))

    network = Network()
    found = tuned(network, shape=(3,), batch=64)
    assert network.seen == {(torch.float32, True, False)}
    assert found.report.published.score.geometric_mean > found.report.tuned.score.geometric_mean
    assert "Network (" in found.report.model


def test_fitted_rows_claim_no_order(once):
    found = tuned(coefficients="all")
    stages = {name: (score, kept) for name, score, kept in found.report.stages}
    score, kept = stages["rows"]
    assert kept == (found.landings is not None)
    assert kept == passes(score, stages["grid"][0])
    assert kept, "no example of fitted rows"
    assert "no order claimed" in str(found.report)
    module = found.compile("numpy")
    noise = np.random.default_rng(3).standard_normal((4, 3))
    assert module.ORDER is None
    assert tuple(module.TIMESTEPS.tolist()) == found.timesteps
    exact = tuned(coefficients="order").compile("numpy").sample(MIXTURE, noise)
    assert 0 < np.abs(module.sample(MIXTURE, noise) - exact).max() < 0.5


@pytest.mark.parametrize("coefficients", ["order", "all"])
def test_hooks_see_and_change_the_data(coefficients):
    found = tuned(coefficients=coefficients)
    plain, hooked = (load_text(found.source("numpy", one), "m") for one in (False, True))
    noise, seen = np.random.default_rng(3).standard_normal((4, 3)), []

    def kept(data, x, t):
        seen.append(data)
        return data

    same = hooked.sample(MIXTURE, noise, on_data=kept)
    np.testing.assert_allclose(same, plain.sample(MIXTURE, noise), rtol=0, atol=1e-12)
    exact = MIXTURE.problem.posterior(noise, 0.0, 1.0)[0]
    np.testing.assert_allclose(seen[0], exact, atol=1e-12)
    clipped = hooked.sample(MIXTURE, noise, on_data=lambda data, x, t: np.clip(data, -0.1, 0.1))
    assert np.abs(clipped).max() < 0.5 * np.abs(same).max()
    for target in ("diffusers", "k-diffusion"):
        with pytest.raises(EmissionError, match=f"one grid for {target}"):
            found.source(target, hooks=True)


def test_on_a_grid_that_is_imposed_the_method_alone_is_chosen():
    grid = [1.0, 0.9, 0.6, 0.35, 0.1, 0.0]
    found = tuned(timesteps=grid, against=["flow_euler"])
    assert list(found.timesteps) == grid
    assert [name for name, *_ in found.report.stages] == ["published", "methods"]
    assert {one.timesteps for one in found.report.lines} == {tuple(grid)}
    with pytest.raises(SolvergenError, match="a grid of 5 steps"):
        tuned(timesteps=grid, evaluations=3)
    with pytest.raises(SolvergenError, match="decreasing times"):
        tuned(timesteps=grid[::-1])


def test_the_gate():
    assert passes(Score(0.9, 1, 1.05), Score(1, 1, 1))
    assert not passes(Score(0.98, 1, 1), Score(1, 1, 1))
    assert not passes(Score(0.5, 1, 1.2), Score(1, 1, 1))
