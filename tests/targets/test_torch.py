"""The torch target: functional, no host in a run, compiled, in any dtype and any layout."""

from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch_runs import CHOICES, grid_of, network

import solvergen as sg

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@cache
def solver(choice: str) -> sg.Solver:
    """One object for both targets: what it derives, it derives once."""
    return sg.Solver(*CHOICES[choice])


@pytest.fixture(scope="module", params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def module(choice: str) -> ModuleType:
    return sg.compile(solver(choice), "torch")


@pytest.fixture(scope="module")
def multistep() -> ModuleType:
    return sg.compile(solver("multistep"), "torch")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_as_numpy(choice: str, module: ModuleType, dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 1, 24, dtype=dtype).reshape(2, 3, 4)
    grid = grid_of(module)

    def predict(y: np.ndarray, t: float) -> np.ndarray:
        return network(torch.from_numpy(y), torch.tensor(t, dtype=dtype)).numpy()

    found = module.sample(network, x, grid)
    expected = sg.compile(solver(choice), "numpy").sample(predict, x.numpy(), grid)
    assert found.dtype == dtype
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=tolerance, atol=tolerance)


class Watched:
    """A pass whose results are compared with the same sums in float64.

    ``errors`` are parts of what may be lost: half a spacing of the result, and some of the dtype
    of the sum, of its terms without their signs.
    """

    def __init__(self, advance, errors: list[float]) -> None:
        self.advance, self.errors = advance, errors

    def __call__(self, row: torch.Tensor, *arrays: torch.Tensor):
        found = self.advance(row, *arrays)
        exact = self.advance(row.double(), *(one.double() for one in arrays))
        sizes = self.advance(row.double().abs(), *(one.double().abs() for one in arrays))
        for one, wide, size in zip(_each(found), _each(exact), _each(sizes), strict=True):
            assert one.dtype == arrays[0].dtype
            lost = (one.double() - wide).abs()
            self.errors.append(float((lost / _allowed(one.dtype, row.dtype, wide, size)).max()))
        return found


def _allowed(
    dtype: torch.dtype, summed: torch.dtype, wide: torch.Tensor, terms: torch.Tensor
) -> torch.Tensor:
    own = torch.finfo(dtype).eps * wide.abs() + torch.finfo(dtype).tiny
    return own / 2 + 4 * torch.finfo(summed).eps * terms


def _each(results) -> tuple[torch.Tensor, ...]:
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_are_rounded_once(module: ModuleType, dtype: torch.dtype) -> None:
    """Half precision is computed in float32: half a spacing of halves is lost, and no more."""
    x = torch.linspace(-1, 1, 24, dtype=dtype).reshape(2, 3, 4)
    plan, errors = module.Plan(grid_of(module), dtype), list[float]()
    if hasattr(plan, "passes"):
        plan.passes = {one: Watched(one, errors) for one in plan.passes}
    else:
        plan.advance = Watched(plan.advance, errors)
    found = module.sample(lambda y, t: network(y, t).to(dtype), x, plan)
    assert found.dtype == dtype
    assert len(errors) >= len(plan.rows)
    least = {torch.float32: 0.01, torch.float64: 0.0}.get(dtype, 0.7)
    assert least <= max(errors) <= 1


@pytest.mark.parametrize(
    ("dtype", "predicted"),
    [
        (torch.float16, torch.float16),
        (torch.bfloat16, torch.bfloat16),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float16),
        (torch.float64, torch.bfloat16),
    ],
)
def test_predictions_of_other_dtypes(
    module: ModuleType, dtype: torch.dtype, predicted: torch.dtype
) -> None:
    """They are read as they are: what rounds is the model, and the sample."""
    x = torch.linspace(-1, 1, 100, dtype=dtype)
    plan = module.Plan(grid_of(module), dtype)
    wide = torch.promote_types(dtype, torch.float32)
    found, expected = (
        module.sample(lambda y, t, to=to: network(x, t).to(predicted).to(to), x, plan)
        for to in (predicted, wide)
    )
    assert found.dtype == dtype
    assert torch.equal(found, expected)


def test_wider_predictions_are_refused(module: ModuleType) -> None:
    x = torch.ones(3)
    with pytest.raises(
        ValueError, match=r"is torch.float64 \(3,\) on cpu; expected torch.float32 \(3,\) on"
    ):
        module.sample(lambda y, t: y.double(), x, grid_of(module))


def test_a_negated_view_is_read(module: ModuleType) -> None:
    """Whose memory holds other numbers."""
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)
    expected = module.sample(network, x, grid_of(module))
    found = module.sample(lambda y, t: torch._neg_view(-network(y, t)), x, grid_of(module))
    torch.testing.assert_close(found, expected)


def test_a_module_without_a_file(multistep: ModuleType) -> None:
    source, scope = Path(multistep.__file__).read_text(), {"__name__": "__main__"}
    exec(compile(source, "<text>", "exec"), scope)
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)
    expected = multistep.sample(network, x, grid_of(multistep))
    assert torch.equal(scope["sample"](network, x, grid_of(multistep)), expected)


@pytest.mark.parametrize("layout", ["channels_last", "transposed", "expanded"])
def test_memory_layouts(module: ModuleType, layout: str) -> None:
    """Any layout of the sample and another one of the prediction; channels_last is kept."""
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plan = module.Plan(grid_of(module), x.dtype)
    given = {
        "channels_last": x.to(memory_format=torch.channels_last),
        "transposed": x.transpose(1, 3).contiguous().transpose(1, 3),
        "expanded": x[:1].expand(2, 3, 4, 5),
    }[layout]
    expected = module.sample(network, given.contiguous(), plan)
    found = module.sample(lambda y, t: network(y, t).contiguous(), given, plan)
    assert torch.equal(found, expected)
    if layout == "channels_last":
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_autocast(module: ModuleType) -> None:
    """A network that answers in bfloat16; the sample stays what it is."""
    x = torch.linspace(-1, 1, 16).reshape(4, 4)
    layer, dtypes = torch.linspace(-1, 1, 16).reshape(4, 4) / 4, []

    def answer(y, t):
        dtypes.append((y @ layer).dtype)
        return y @ layer

    exact = module.sample(answer, x, grid_of(module))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = module.sample(answer, x, grid_of(module))
    assert dtypes[-1] == torch.bfloat16
    assert found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < 8 * torch.finfo(torch.bfloat16).eps * exact.abs().max()


def test_a_run_is_one_graph_and_is_compiled_once(multistep: ModuleType) -> None:
    """Other noise and another grid of as many steps run through the same graph."""
    counter = CompileCounter()
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda x, plan: multistep.sample(network, x, plan), backend=counter, fullgraph=True
    )
    for k in range(3):
        x = torch.linspace(-1, 1 + k, 8)
        plan = multistep.Plan(multistep.timesteps(5, "time", start=0.9 - 0.1 * k, end=0.1))
        torch.testing.assert_close(compiled(x, plan), multistep.sample(network, x, plan))
    assert counter.frame_count == 1


def test_a_step_is_not_compiled_again(multistep: ModuleType) -> None:
    """The network and the pass as one graph: its row of coefficients is a tensor."""
    counter = CompileCounter()
    torch._dynamo.reset()

    @torch.compile(backend=counter, fullgraph=True)
    def step(row, x, past):
        return multistep._advance(row, x, network(x, row[0]), *past)

    rows = multistep.Plan(grid_of(multistep, 12)).rows
    x, past = torch.ones(5), (torch.ones(5), torch.zeros(5))
    for row in rows[4::2]:
        x, value = step(row, x, past)
        past = (value, past[0])
    assert counter.frame_count == 1


@pytest.mark.slow
def test_compiled_passes_take_the_same_steps(multistep: ModuleType) -> None:
    """``Plan(compiled=True)`` on the default backend: one pass, compiled once, into one kernel."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    torch._inductor.metrics.reset()
    x, grid = torch.linspace(-1, 1, 64), grid_of(multistep, 8)
    found = multistep.sample(network, x, multistep.Plan(grid, compiled=True))
    torch.testing.assert_close(found, multistep.sample(network, x, grid))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    assert torch._inductor.metrics.generated_kernel_count == 1


@pytest.mark.slow
def test_more_shapes_than_are_compiled(multistep: ModuleType) -> None:
    """A process may sample images of any number of sizes: beyond torch's limit, uncompiled."""
    torch._dynamo.reset()
    grid = grid_of(multistep, 3)
    with torch._dynamo.config.patch(recompile_limit=1):
        for size in (8, 9, 10):
            x = torch.linspace(-1, 1, size)
            found = multistep.sample(network, x, multistep.Plan(grid, compiled=True))
            torch.testing.assert_close(found, multistep.sample(network, x, grid))


def test_a_run_never_asks_the_device(module: ModuleType) -> None:
    """Tensors without values: .item(), a comparison or a copy to the host would raise."""
    plan = module.Plan(grid_of(module))
    plan.rows, plan.times = plan.rows.to("meta"), plan.times.to("meta")
    found = module.sample(network, torch.empty(2, 3, device="meta"), plan)
    assert found.is_meta
    assert found.shape == (2, 3)
    with pytest.raises(RuntimeError, match="meta"):
        plan.rows.sum().item()


@pytest.mark.parametrize("scheme", ["multistep:1", "multistep:2", "unipc:2", "singlestep:3"])
@pytest.mark.parametrize("integrand", ["data", "noise"])
def test_rows_begin_where_a_kernel_reads_them_without_a_copy(scheme: str, integrand: str) -> None:
    """A compiled pass copies an argument that does not begin at a multiple of 16 bytes."""
    solver = sg.Solver("vp_linear", "noise", integrand, "half_log_snr", scheme)
    module = sg.compile(solver, "torch")
    grid = module.timesteps(6, "time", end=0.1)
    for dtype in (torch.float32, torch.float64):
        rows = module.Plan(grid, dtype).rows
        assert torch.equal(rows, torch.tensor(module.coefficients(grid), dtype=dtype))
        places = {row.storage_offset() * row.element_size() % 16 for row in rows}
        assert (places, rows.data_ptr() % 16) == ({0}, 0)
