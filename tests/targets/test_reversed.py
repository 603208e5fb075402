"""Networks of a reversed schedule are asked in their own time, on every target with steps."""

import numpy as np
import pytest
from readers import TARGETS

import solvergen as sg
from solvergen import targets
from solvergen.errors import EmissionError
from solvergen.measurement import verification

SPECS = (("flow", "time", "multistep:2"), ("data", "time", "singlestep:2"))


def pair(prediction: str, expansion: str, scheme: str) -> tuple[sg.Solver, sg.Solver]:
    """The same solver in the network's time, and in the schedule's."""
    schedules = sg.schedules.reversed_time("t", "1 - t"), sg.schedules.rectified_flow()
    one, other = (sg.Solver(each, prediction, "flow", expansion, scheme) for each in schedules)
    return one, other


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("choices", SPECS, ids=str)
def test_is_the_mirror_image(target: str, choices: tuple[str, str, str]) -> None:
    """A network f of its own time is the network of t that is f(1 - t), its flow negated."""
    one, other = (sg.compile(each, target) for each in pair(*choices))
    own = targets.get(target)
    sign = -1.0 if choices[0] == "flow" else 1.0
    x, times = np.linspace(-1, 1, 5, dtype=np.float32), other.timesteps(5)
    asked: list[float] = []

    def network(x: np.ndarray, time: float) -> np.ndarray:
        asked.append(time)
        return np.asarray(np.sin(x) * (1 + time), dtype=np.float32)

    def mirrored(x: np.ndarray, time: float) -> np.ndarray:
        return np.asarray(sign * network(x, 1.0 - time), dtype=np.float32)

    found = one.sample(own.model(network), own.to_array(x), times)
    expected = other.sample(own.model(mirrored), own.to_array(x), times)
    np.testing.assert_allclose(own.to_numpy(found), own.to_numpy(expected), atol=2e-6)
    stepper = one.Stepper(own.to_array(x), times)
    assert float(stepper.t) == 0.0


def test_one_grid_has_the_network_s_times() -> None:
    one, other = pair(*SPECS[0])
    grid = sg.compile(other, "numpy").timesteps(4)
    found, known = (sg.compile(each, "numpy", timesteps=grid) for each in (one, other))
    np.testing.assert_allclose(found.COEFFICIENTS[:, 0], 1 - known.COEFFICIENTS[:, 0], atol=1e-16)
    np.testing.assert_array_equal(found.TIMESTEPS, known.TIMESTEPS)


def test_verified_in_its_time(tmp_path) -> None:
    one, _ = pair(*SPECS[0])
    result = verification.verify(sg.write(one, "numpy", tmp_path / "reversed.py"))
    assert result.passed, result.table()


@pytest.mark.parametrize("target", ["diffusers", "k-diffusion"])
def test_libraries_have_a_time_of_their_own(target: str) -> None:
    schedule = sg.schedules.reversed_time("t", "1 - t")
    with pytest.raises(EmissionError, match="reversed"):
        sg.emit(sg.Solver(schedule, "data"), target)
