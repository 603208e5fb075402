"""Policies for the last steps: which phase a step runs, the order that is left, short runs."""

import numpy as np
import pytest
from readers import TARGETS, as_target, for_target, sample

import solvergen as sg
from solvergen.errors import SchemeError
from solvergen.measurement import problems
from solvergen.measurement.accuracy import coefficient_error
from solvergen.methods import notation
from solvergen.program import lowering, order
from solvergen.program.phase_numbers import phase_numbers
from solvergen.scalars.rows import steps_of
from solvergen.specification import schemes

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)
RAMPS = ["multistep:3:exact:ramp", "multistep:4:ramp:ramp", "unip:3:bh2:ramp:ramp",
         "unipc:3:exact:ramp:ramp"]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, ["last_0"]),
        (2, ["start_0", "last_0"]),
        (3, ["start_0", "last_1", "last_0"]),
        (4, ["start_0", "start_1", "last_1", "last_0"]),
        (6, ["start_0", "start_1", "main", "main", "last_1", "last_0"]),
    ],
)
def test_phase_of_every_step(steps: int, expected: list[str]) -> None:
    """By how many earlier steps can be read and how many are left, in program and module alike."""
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3:exact:ramp")
    lowered, table = spec.program, spec.table
    numbers = [lowered.number(n, steps - 1 - n) for n in range(steps)]
    assert [lowered.all_phases[number].name for number in numbers] == expected
    module, grid = sg.compile(spec, "numpy"), np.linspace(1, 0, steps + 1)
    assert phase_numbers(lowered, grid) == numbers
    laid_out = steps_of(lowered, table, grid)
    assert [table.phases[number].name for number, _ in laid_out] == expected
    rows = module.coefficients(grid)
    assert len(rows) == laid_out[-1][1] + len(table.phases[laid_out[-1][0]].rows)
    assert coefficient_error(spec, rows, grid.tolist(), range(steps)) < 1e-12


@pytest.mark.slow_but(6)
@pytest.mark.parametrize("steps", range(1, 7))
@pytest.mark.parametrize(
    "scheme", ["multistep:4:exact:ramp", "unipc:3:exact:ramp:ramp", "unipc:3:exact:exact:ramp"]
)
def test_runs_shorter_than_the_phases(scheme: str, steps: int) -> None:
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", scheme)
    grid = np.linspace(0.9, 0.2, steps + 1).tolist()
    expected = sample("interpreter", spec, grid)
    for target in TARGETS:
        found = sample(target, spec, grid)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13, err_msg=target)


def test_a_correction_after_inner_stages_is_refused_by_name() -> None:
    """The second step would correct a landing that read an inner stage; closing steps wait."""
    scheme = "1:{0} | 1/2:{0}; 1:{0,s1} | 0<-1:{0,-1,-2}; 1:{0,-1}"
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme)
    with pytest.raises(sg.SolvergenError, match="reads inner stages of its step; expected"):
        sg.emit(spec, "numpy")


@pytest.mark.parametrize("scheme", RAMPS)
def test_last_step_is_of_first_order(scheme: str) -> None:
    """A ramp to the end differs from a full end by what the last steps do, and only by that."""
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme)
    module = sg.compile(spec, "numpy")
    grid = module.timesteps(8, start=0.9, end=0.2)
    table = module.coefficients(grid)
    assert coefficient_error(spec, table, grid.tolist(), [5, 6, 7]) < 1e-12
    first = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:1")
    alpha, sigma = module.alpha(grid[-2:]), module.sigma(grid[-2:])
    phi = sigma[1] / sigma[0]
    m0 = alpha[1] - alpha[0] * phi
    euler = sg.compile(first, "numpy").coefficients(grid)[-1, 1:]
    assert euler == pytest.approx([phi + m0 / alpha[0], -m0 * sigma[0] / alpha[0]], rel=1e-13)
    if spec.program.corrects:
        return
    factors = table[-1, spec.table.first_factor :]
    assert factors[:2] == pytest.approx(euler, rel=1e-13)
    assert not factors[2 : len(spec.table.shapes[0].landing)].any()


@pytest.mark.parametrize("k", range(1, 6))
def test_order_that_the_last_steps_leave(k: int) -> None:
    """Computed: order 2 from order 3 on, because a first-order step is taken once; main is kept."""
    found = order.report(lowering.lower(schemes.multistep(k, last="ramp")))
    assert (found.main, found.order) == (k, min(k, 2))
    assert found.closing == (None if k == 1 else 2)
    corrected = order.report(lowering.lower(schemes.unipc(k, last="ramp")))
    assert (corrected.main, corrected.order) == (k + 1, 2 if k == 1 else min(k + 1, 2))


@pytest.mark.parametrize("reader", TARGETS)
def test_measured_order_is_the_computed_one(reader: str) -> None:
    """On the exact mixture: 2 with the ramp where the full end has 3."""
    for text, expected in (("multistep:3", 3), ("multistep:3:exact:ramp", 2)):
        spec = sg.Solver("rectified_flow", "flow", "flow", "time", text)
        module = sg.compile(spec, reader)
        network = for_target(reader, problems.model(MIXTURE, spec))
        x = np.linspace(-1.2, 1.2, 7)[:, None]
        exact = MIXTURE.exact_flow(x, (0.2, 0.8), (0.6, 0.4))
        errors = []
        for steps in (128, 256):
            grid = module.timesteps(steps, start=0.8, end=0.4)
            found = np.asarray(module.sample(network, as_target(reader, x), grid))
            errors.append(np.sqrt(np.mean((found - exact) ** 2)))
        assert spec.order == expected
        assert abs(np.log2(errors[0] / errors[1]) - expected) <= 0.15


def test_the_header_names_the_policy_and_what_it_leaves() -> None:
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3:exact:ramp")
    text = " ".join(sg.emit(spec, "numpy").split('"""')[1].split())
    assert text.startswith("Second-order steps of multistep:3:exact:ramp")
    assert "A run has order 2: local error O(h^4) in a main step" in text
    assert "O(h^2) left by the last steps" in text


@pytest.mark.parametrize("scheme", RAMPS)
def test_text_round_trip(scheme: str) -> None:
    known = schemes.get(scheme)
    assert schemes.to_text(known) == scheme
    written = notation.write(known)
    assert schemes.get(written).all_phases == known.all_phases
    assert sg.from_specification({**_SPEC, "scheme": written}).program.closing


_SPEC = sg.Solver("rectified_flow", "flow", "flow", "time").specification


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("multistep:3:exact:lower", "last='lower'"),
        ("multistep:3:exact:ramp:1", "unknown scheme"),
        ("1:{0} || 1:{0,-1}", "reads 1 earlier steps.*; expected 0 at most"),
        ("1:{0} | 1:{0,-1} || 1/2:{0}", "last stage at theta = 1"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        schemes.get(text)
