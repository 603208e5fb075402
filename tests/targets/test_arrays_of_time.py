"""alpha, sigma and lambda of arrays of a target: what a training loop needs of a module."""

from functools import cache
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch
from torch.fx.experimental.proxy_tensor import make_fx

import solvergen as sg
from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.numpy_code import host_code
from solvergen.compiler import load_text

FUNCTIONS = ["alpha", "sigma", "half_log_snr", "time_at_half_log_snr"]
SCHEDULES = {
    **{
        name: sg.schedules.get(name)
        for name in ("vp_linear", "vp_cosine", "ve", "stable_diffusion")
    },
    "erf": sg.NoiseSchedule("1 - erf(t)", "erf(t)", domain=("1/10", "2"), name="erf"),
    "cases": sg.NoiseSchedule("1 - t", "where(t < 1/2, t, 1/4 + t**2)", name="cases"),
    "solved": sg.NoiseSchedule(
        alpha=1 - sg.t**3, sigma=sg.t * sympy.exp(sg.t - 1), domain=(0, 1), name="solved"
    ),
}
"""Roots and exponentials, constants of a module, a constant function, tables, the error function,
cases, bisection."""


@cache
def module(schedule: str, target: str) -> ModuleType:
    """A module for a schedule; its steps do not matter."""
    spec = sg.Solver(SCHEDULES[schedule], "data", "data", "half_log_snr", "multistep:1")
    return load_text(sg.emit(spec, target), target)


def arguments(schedule: str, function: str) -> np.ndarray:
    """Times inside the domain, or what lambda is there."""
    numpy = module(schedule, "numpy")
    times = numpy.T_MIN + (numpy.T_MAX - numpy.T_MIN) * np.array([[0.07, 0.31], [0.52, 0.93]])
    return numpy.half_log_snr(times) if function.startswith("time") else times


each = pytest.mark.parametrize(
    ("schedule", "function"), [(one, function) for one in SCHEDULES for function in FUNCTIONS]
)


@each
def test_tensors(schedule: str, function: str) -> None:
    """The values of numpy in the tensor's dtype, with their derivatives, under torch.func too."""
    given = arguments(schedule, function)
    expected = getattr(module(schedule, "numpy"), function)(given)
    called = getattr(module(schedule, "torch"), function)
    np.testing.assert_array_equal(called(given), expected)
    x = torch.tensor(given, requires_grad=True)
    found = called(x)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(torch.func.vmap(called)(x).detach(), expected, 1e-13, 1e-15)
    if found.requires_grad:
        assert torch.autograd.gradcheck(called, (x,))
    single = called(torch.tensor(given, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=2e-4)
    assert called(torch.tensor(given, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.slow_but(7)
@each
def test_arrays_of_jax(schedule: str, function: str) -> None:
    """The same for jax, whose derivatives are those of torch."""
    given = arguments(schedule, function)
    expected = getattr(module(schedule, "numpy"), function)(given)
    called = getattr(module(schedule, "jax"), function)
    np.testing.assert_array_equal(called(given), expected)
    found = jax.jit(jax.vmap(called))(jnp.asarray(given))
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
    for dtype in (jnp.float32, jnp.bfloat16):
        assert called(jnp.asarray(given, dtype)).dtype == dtype
    x = torch.tensor(given)
    slope = torch.func.grad(lambda x: getattr(module(schedule, "torch"), function)(x).sum())(x)
    np.testing.assert_allclose(
        jax.grad(lambda x: called(x).sum())(jnp.asarray(given)), slope, rtol=1e-11, atol=1e-14
    )


@pytest.mark.slow_but(7)
@each
def test_nothing_is_read_back(schedule: str, function: str) -> None:
    """A tensor without data, on a device of its own, and a trace of the operations."""
    given = torch.tensor(arguments(schedule, function))
    called = getattr(module(schedule, "torch"), function)
    found = called(given.to("meta"))
    assert (found.device.type, found.shape, found.dtype) == ("meta", given.shape, given.dtype)
    traced = make_fx(called)(given)
    names = {str(node.target) for node in traced.graph.nodes}
    assert not [name for name in names if "local_scalar" in name or "item" in name]
    torch.testing.assert_close(traced(given), called(given))


@pytest.mark.slow_but(7)
@each
def test_tensors_are_traced(schedule: str, function: str) -> None:
    """A training loop that asks for them stays one graph."""
    given = torch.tensor(arguments(schedule, function))
    called = getattr(module(schedule, "torch"), function)
    torch._dynamo.reset()
    found = torch.compile(called, backend="eager", fullgraph=True)(given)
    torch.testing.assert_close(found, called(given))


def test_functions_of_time_keep_their_names() -> None:
    found = module("vp_linear", "torch").half_log_snr
    assert found.__name__ == "half_log_snr"
    assert "infinite where alpha or sigma is 0" in found.__doc__


def test_tables_end_as_in_numpy() -> None:
    """Outside of a table its ends go on."""
    numpy, tensors, arrays = (module("stable_diffusion", one) for one in ("numpy", "torch", "jax"))
    times = np.array([numpy.T_MIN - 1.0, numpy.T_MIN, numpy.T_MAX, numpy.T_MAX + 1.0])
    for library, found in ((torch.tensor, tensors), (jnp.asarray, arrays)):
        np.testing.assert_allclose(found.alpha(library(times)), numpy.alpha(times), rtol=1e-14)


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_infinite_levels(target: str) -> None:
    """The ends of the domain, where bisection ends too."""
    array = torch.tensor if target == "torch" else jnp.asarray
    found = module("solved", target).time_at_half_log_snr(array([np.inf, -np.inf]))
    np.testing.assert_allclose(found, [0.0, 1.0], rtol=0, atol=1e-15)


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_registered_functions_refuse(target: str) -> None:
    """Their source is numpy: no silent way over the host, that of a bisection either."""
    import mpmath

    name = "doubled_sine"
    doubled = sg.register_function(
        name,
        derivative="2*cos(x)",
        numpy="2 * np.sin(x)",
        in_many_digits=lambda x: 2 * mpmath.sin(x),
    )
    try:
        schedule = sg.NoiseSchedule(
            alpha=1 - doubled(sg.t) / 4, sigma=sg.t, domain=(0, 1), name="registered"
        )
        spec = sg.Solver(schedule, "data", "data", "half_log_snr", "multistep:1")
        found = load_text(sg.emit(spec, target), target)
    finally:
        del REGISTRY[name]
    array = torch.tensor if target == "torch" else jnp.asarray
    assert found.alpha(0.5) == 1 - np.sin(0.5) / 2
    for function in (found.alpha, found.half_log_snr, found.time_at_half_log_snr):
        assert np.isfinite(function(0.5))
        with pytest.raises(TypeError, match="in which doubled_sine is written"):
            function(array(0.5))


def test_cases() -> None:
    """where(t < c, A, B), nested and with constants, in the library of the array."""
    half = sympy.Rational(1, 2)
    form = sympy.Piecewise((1, sg.t < 0.2), (sympy.sqrt(2) * sg.t, sg.t < half), (sg.t**2, True))
    times = np.array([0.1, 0.3, 0.7])
    expected = eval(host_code(form), {"np": np, "t": times})
    code = host_code(form, follows_arrays=True)
    for library, array in ((torch, torch.tensor(times)), (jnp, jnp.asarray(times))):
        found = eval(code, {"np": np, "xp": library, "t": array})
        assert found.dtype == array.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-15)
