"""Tests of a solver of your own: copy this file, put your schedule in, run pytest."""

import pytest

import solvergen as sg
from solvergen.measurement.verification import (
    assert_agrees,
    assert_coefficients,
    assert_derivation,
    assert_order,
)

schedule = sg.NoiseSchedule(alpha="1 - t**2", sigma="t", name="parabola")
solver = sg.Solver(schedule, prediction="flow", expansion="time", scheme="multistep:3")


@pytest.fixture(scope="module", params=["numba", "torch"])
def module(request):
    return sg.compile(solver, request.param)


def test_derivation():
    assert_derivation(schedule)  # f, g^2, lambda, Phi, M0 against numeric derivatives


def test_order(module):
    assert_order(module, 3)  # stated, proved again, and reached on an exact problem


def test_coefficients(module):
    assert_coefficients(module)  # against mpmath, in many digits


def test_targets_agree(module):
    assert_agrees(module, sg.compile(solver, "numpy"))


def test_another_prediction_of_the_same_network_agrees(module):
    data = sg.Solver(schedule, "data", integrand="flow", expansion="time", scheme="multistep:3")
    assert_agrees(module, sg.compile(data, "numpy"))


def test_a_wrong_claim_fails(module):
    with pytest.raises(AssertionError, match="order, measured"):
        assert_order(module, 4)
