"""What a caller may do wrong at run time: the right answer, or one error that says what came."""

import re
from collections.abc import Callable
from functools import cache
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from readers import ADAPTIVE, TARGETS, as_target, from_target

import solvergen as sg
from solvergen import targets

HOSTS = ("numpy", "numba")
X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
GRID = [0.9, 0.7, 0.45, 0.2]
SCHEMES = ("multistep:3", "singlestep:2", "unipc:2")
each = pytest.mark.parametrize("target", TARGETS)


@cache
def module(target: str, scheme: str = "multistep:3", baked: bool = False) -> ModuleType:
    spec = sg.Solver("rectified_flow", "flow", "data", "half_log_snr", scheme)
    return sg.compile(spec, target, timesteps=GRID if baked else None)


def predicted(x: Any, t: Any) -> Any:
    """A network that every kind of array computes."""
    return 0.3 * x + t * x * x


def run(target: str, network: Callable[..., Any], x: Any = None, scheme: str = SCHEMES[0]) -> Any:
    return module(target, scheme).sample(network, as_target(target, X) if x is None else x, GRID)


def baked_run(target: str, network: Callable[..., Any], x: Any = None) -> Any:
    return module(target, baked=True).sample(network, as_target(target, X) if x is None else x)


def writing(x: Any, t: Any) -> Any:
    found = predicted(x, t)
    x[...] = 7.0
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("target", [one for one in TARGETS if one != "jax"])
def test_what_a_model_writes_into_never_is_the_caller_s(target: str, scheme: str) -> None:
    """jax has nothing to write into; torch counts, so that the model is told."""
    given = as_target(target, X.copy())
    if target == "torch":
        with pytest.raises(RuntimeError, match="the model wrote into x"):
            run(target, writing, given, scheme)
    else:
        run(target, writing, given, scheme)
    baked_run(target, writing, given)
    np.testing.assert_array_equal(from_target(target, given), X)


def test_torch_counts_in_inference_mode_nothing() -> None:
    """Where no versions are kept, a run is as outside."""
    expected = run("torch", predicted)
    with torch.inference_mode():
        found = run("torch", predicted, torch.from_numpy(X.copy()))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("target", ADAPTIVE)
def test_adaptive_steps_leave_the_caller_s_alone(target: str) -> None:
    given = as_target(target, X.copy())
    found = module(target, "dpm_23").sample_adaptive(predicted, given, 1e-4, 1e-4, 0.9, 0.2)
    np.testing.assert_array_equal(from_target(target, given), X)
    assert np.isfinite(from_target(target, found)).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@each
def test_what_was_kept_of_x_stays_or_x_says_so(target: str, scheme: str) -> None:
    found = module(target, scheme)
    stepper, kept, copies = found.Stepper(as_target(target, X), GRID), [], []
    while not stepper.done:
        kept.append(stepper.x)
        copies.append(np.array(from_target(target, stepper.x)))
        stepper.step(predicted(stepper.x, stepper.t))
    stays = all(map(np.array_equal, (from_target(target, one) for one in kept), copies))
    said = getattr(found.Stepper, "x", None)
    assert stays or "the next step writes over it" in said.__doc__.splitlines()[0]
    assert stays == (target != "numba")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("target", [one for one in TARGETS if one != "jax"])
def test_one_buffer_for_all_outputs(target: str, scheme: str) -> None:
    """As captured graphs have: what a step keeps is its own."""
    buffer = as_target(target, np.zeros_like(X))

    def reusing(x: Any, t: Any) -> Any:
        buffer[...] = predicted(x, t)
        return buffer

    for called in (run, baked_run) if scheme == SCHEMES[0] else (run,):
        given = {"scheme": scheme} if called is run else {}
        expected = from_target(target, called(target, predicted, **given))
        np.testing.assert_array_equal(
            from_target(target, called(target, reusing, **given)), expected
        )


@each
def test_the_input_as_output(target: str) -> None:
    """x itself is what a model may return, whatever the step then does with its memory."""
    expected = run("numpy", lambda x, t: x.copy())
    found = from_target(target, run(target, lambda x, t: x))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


WRONG_KINDS: dict[str, Callable[[Any], Any]] = {
    "NoneType": lambda y: None,
    "list": lambda y: [y],
    "float": lambda y: 0.5,
    "str": lambda y: "x",
    "tuple": lambda y: (y, y),
    "dict": lambda y: {"sample": y},
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
@each
def test_outputs_of_other_kinds_are_named(target: str, kind: str) -> None:
    with pytest.raises(TypeError, match=f"the model output is a {kind}; expected a[n]? .* like x"):
        run(target, lambda x, t: WRONG_KINDS[kind](x))
    with pytest.raises(TypeError, match=r"(?s)the model output is .*; expected"):
        baked_run(target, lambda x, t: WRONG_KINDS[kind](x))


@pytest.mark.parametrize("choices", [("flow", "time", "multistep:1"), ("data", "time", "rk4")])
@each
def test_a_grid_s_own_module_names_outputs_whatever_it_carries(
    target: str, choices: tuple[str, str, str]
) -> None:
    """The sample alone, and the start of a step beside it."""
    found = sg.compile(sg.Solver("rectified_flow", "flow", *choices), target, timesteps=GRID)
    for wrong in (None, [1.0], 0.5, as_target(target, X[:1]), as_target(target, X[None])):
        with pytest.raises(TypeError, match=r"(?s)the model output is .*; expected"):
            found.sample(lambda x, t, wrong=wrong: wrong, as_target(target, X))


@each
def test_an_array_of_another_library_is_refused(target: str) -> None:
    other = torch.from_numpy(X) if target != "torch" else X
    with pytest.raises(TypeError, match=r"the model output is a (Tensor|ndarray); expected"):
        run(target, lambda x, t: other)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda y: (y,),
        lambda y: SimpleNamespace(sample=y),
        lambda y: SimpleNamespace(sample=(y,)),
    ],
    ids=["tuple", "sample", "both"],
)
@each
def test_one_array_may_be_wrapped(target: str, wrapped: Callable[[Any], Any]) -> None:
    expected = from_target(target, run(target, predicted))
    found = from_target(target, run(target, lambda x, t: wrapped(predicted(x, t))))
    np.testing.assert_array_equal(found, expected)


@each
def test_outputs_of_other_shapes_and_dtypes(target: str) -> None:
    """Says what came and what was expected."""
    wrong = {
        "shape": lambda y: y[:1],
        "more": lambda y: y[None],
        "complex": lambda y: y + 1j,
        "integer": lambda y: y.to(torch.int64) if target == "torch" else y.astype("int32"),
        "wider": lambda y: y.double() if target == "torch" else y.astype("float64"),
    }
    for key, change in wrong.items():
        x = as_target(target, X.astype(np.float32 if key == "wider" else np.float64))
        with pytest.raises(ValueError, match=r"the model output is .*; expected .*float"):
            run(target, lambda x, t, change=change: change(x), x)
        if key in ("shape", "more", "complex"):
            with pytest.raises(TypeError, match=r"(?s)the model output is .*; expected"):
                baked_run(target, lambda x, t, change=change: change(x))


def test_tensors_on_other_devices() -> None:
    with pytest.raises(ValueError, match=r"on meta; expected torch.float64 \(2, 3\) on cpu"):
        run("torch", lambda x, t: x.to("meta"))
    with pytest.raises(TypeError, match=r"x is torch.float64 on meta; the plan"):
        module("torch").Stepper(torch.empty(3, device="meta").double(), _plan())
    assert run("torch", predicted, torch.empty(2, 3, device="meta")).is_meta


def _plan() -> Any:
    return module("torch").Plan(GRID, torch.float64)


@pytest.mark.parametrize("dtype", [int, None, "float99", np.int32, complex])
@each
def test_plans_are_for_floats(target: str, dtype: Any) -> None:
    with pytest.raises(TypeError):
        module(target).Plan(GRID, dtype)


@pytest.mark.parametrize("target", HOSTS)
def test_hosts_have_no_half_precision(target: str) -> None:
    for dtype in (np.float16, np.longdouble, "float16"):
        with pytest.raises(TypeError, match=r"dtype is .*; expected float32 or float64"):
            module(target).Plan(GRID, dtype)
    with pytest.raises(TypeError, match="dtype is float16; expected float32 or float64"):
        run(target, predicted, X.astype(np.float16))


BAD_X = {
    "integers": (np.arange(6), "int"),
    "complex": (X + 1j, "complex"),
    "text": ("x", "str|<U1"),
    "nothing": (None, "None|object"),
}


@pytest.mark.parametrize("kind", BAD_X)
@each
def test_x_of_other_kinds(target: str, kind: str) -> None:
    given, said = BAD_X[kind]
    given = as_target(target, given) if isinstance(given, np.ndarray) else given
    for called in (run, baked_run):
        if given is None:
            with pytest.raises(TypeError, match=said):
                module(target).Stepper(given, GRID)
        else:
            with pytest.raises(TypeError, match=f"({said}).*; expected"):
                called(target, predicted, given)


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_x_of_numpy_is_named(target: str) -> None:
    for called in (run, baked_run):
        with pytest.raises(TypeError, match="x is float64; expected a floating"):
            called(target, predicted, X)


@pytest.mark.parametrize("target", HOSTS)
def test_what_numpy_reads_is_x(target: str) -> None:
    """Lists and tensors are arrays for it."""
    expected = run(target, predicted)
    for given in (X.tolist(), torch.from_numpy(X), np.asfortranarray(X)):
        np.testing.assert_array_equal(run(target, predicted, given), expected)
        np.testing.assert_array_equal(
            baked_run(target, predicted, given), baked_run(target, predicted)
        )


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,)])
@each
def test_every_shape(target: str, shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.4)
    expected = np.full(shape, run("numpy", predicted, np.full((1,), 0.4))[0])
    for called in (run, baked_run):
        found = from_target(target, called(target, predicted, as_target(target, x)))
        assert found.shape == shape
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("target", [one for one in targets.names() if one not in TARGETS])
def test_libraries_of_others(target: str) -> None:
    """A pipeline's sample, and what a sampler was given, are not written to."""
    if target == "diffusers":
        spec = sg.Solver("vp_alphabar", "velocity", "data", "half_log_snr", "multistep:2")
        scheduler = sg.compile(spec, target).Scheduler()
        scheduler.set_timesteps(3)
        x = torch.from_numpy(X.copy())
        for bad, said in ((None, "NoneType"), ([x], "list"), (x[:1], re.escape("[1, 3]"))):
            with pytest.raises((TypeError, ValueError), match=f"model_output is .*{said}"):
                scheduler.step(bad, scheduler.timesteps[0], x)
        scheduler.step(predicted(x, 0.5), scheduler.timesteps[0], x)
    else:
        spec = sg.Solver("rectified_flow", "data", "data", "half_log_snr", "multistep:2")
        sampler = sg.compile(spec, target).sample_data_multistep_2
        x, grid = torch.from_numpy(X.copy()), torch.tensor(GRID)
        sampler(lambda y, s: y.mul_(0.5), x, grid, disable=True)
        with pytest.raises(TypeError, match="the model output is a NoneType"):
            sampler(lambda y, s: None, x, grid, disable=True)
    assert torch.equal(x, torch.from_numpy(X))


@pytest.mark.parametrize("scheme", [*SCHEMES, "multistep:2:ramp", "rk4"])
@pytest.mark.parametrize("rows", [[0], [0, 0, 0], slice(0, 0)])
@each
def test_a_batch_that_changes_meets_no_history_of_another(
    target: str, scheme: str, rows: Any
) -> None:
    """A sample of another shape would be combined with values that were kept: numpy's rules make
    a batch of one fit every batch."""
    stepper = module(target, scheme).Stepper(as_target(target, X), GRID)
    stepper.step(predicted(stepper.x, stepper.t))
    changed = from_target(target, stepper.x)[rows]
    if target == "numba":  # whose x is a view
        with pytest.raises(AttributeError):
            stepper.x = changed
        return
    stepper.x = as_target(target, changed)
    shapes = rf"x is \[{len(changed)}, 3\]; expected \[2, 3\]"
    with pytest.raises(ValueError, match=shapes):
        stepper.step(predicted(stepper.x, stepper.t))
    with pytest.raises(ValueError, match=r"the model output is .*; expected "):
        stepper.step(as_target(target, X))


@pytest.mark.parametrize("scheme", ["multistep:2:ramp", "multistep:3", "unipc:2", "singlestep:2"])
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_a_scheduler_is_for_one_batch(scheme: str, rows: int) -> None:
    spec = sg.Solver("vp_alphabar", "velocity", "data", "half_log_snr", scheme)
    scheduler = sg.compile(spec, "diffusers").Scheduler()
    scheduler.set_timesteps(4)
    x, other = torch.ones(2, 3), torch.ones(rows, 3)
    t, s = scheduler.timesteps[:2]
    scheduler.step(x, t, x)
    with pytest.raises(ValueError, match=rf"sample is \[{rows}, 3\]; expected \[2, 3\]"):
        scheduler.step(other, s, other)
    assert scheduler.step(x, s, x).prev_sample.shape == x.shape
