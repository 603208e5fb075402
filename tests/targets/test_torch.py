"""The torch target: one kernel a pass, no host in a run, compiled, differentiated, in any dtype."""

import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch_runs import CHOICES, grid_of, network

import solvergen as sg

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@pytest.fixture(scope="module", params=CHOICES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return sg.compile(sg.Solver(*CHOICES[request.param]), "torch")


@pytest.fixture(scope="module")
def multistep() -> ModuleType:
    return sg.compile(sg.Solver(*CHOICES["multistep"]), "torch")


def as_expressions(module: ModuleType, x: torch.Tensor, plan) -> torch.Tensor:
    """The run as autograd sees it: another route than the writing one."""
    return module.sample(network, x.clone().requires_grad_(), plan).detach()


@pytest.mark.parametrize("dtype", FLOATS)
def test_written_results_are_those_of_the_expressions(module: ModuleType, dtype) -> None:
    x = torch.linspace(-1, 1, 24, dtype=dtype).reshape(2, 3, 4)
    plan = module.Plan(grid_of(module), dtype)
    found = module.sample(lambda y, t: network(y, t).to(dtype), x, plan)
    again = module.sample(lambda y, t: network(y, t).to(dtype), x.requires_grad_(), plan).detach()
    torch.testing.assert_close(found, again, rtol=8 * torch.finfo(dtype).eps, atol=1e-6)


def test_blocks_give_what_whole_arrays_give(module: ModuleType, monkeypatch) -> None:
    x = torch.linspace(-1, 1, 1000, dtype=torch.float64).reshape(10, 100)
    plan = module.Plan(grid_of(module), x.dtype)
    whole = module.sample(network, x, plan)
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "numba", None)
    assert torch.equal(module.sample(network, x, plan), whole)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """``torch.set_num_threads``, undone after the test."""
    number = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(number)


def shrink(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, share: int = 32, tile: int = 16
) -> None:
    """Few elements are many, so that they are cut into blocks, shares and rows."""
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_SHARE", share)
    monkeypatch.setattr(module, "_TILE", tile)


@pytest.mark.parametrize(("dtype", "number"), [(torch.float32, 1), (torch.float64, 3)])
@pytest.mark.parametrize("size", [77 * 16, 77 * 16 + 5])
def test_large_arrays_take_one_pass(
    module: ModuleType, dtype: torch.dtype, number: int, size: int, threads, monkeypatch
) -> None:
    """In torch's number of threads: each takes an equal share, the calling one half of 320 more."""
    x = torch.linspace(-1, 1, size, dtype=dtype)
    plan, shares = module.Plan(grid_of(module), dtype), []

    def counted(loop):
        def run(row, *arrays):
            first = (arrays[0].ctypes.data - arrays[0].base.ctypes.data) // arrays[0].itemsize
            shares.append((first // 16, first // 16 + len(arrays[0])))
            loop(row, *arrays)

        return run

    threads(number)
    expected = module.sample(network, x, plan)
    for name in [one for one in vars(module) if one.endswith("_loop") and one != "_loop"]:
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    shrink(module, monkeypatch, share=320)
    found = module.sample(network, x, plan)
    passes = sum(len(plan.passes[phase]) for phase in plan.phases)
    assert sorted(shares) == sorted(passes * [(0, 77)] if number == 1 else passes * THIRDS)
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


THIRDS = [(0, 33), (33, 55), (55, 77)]
"""77 rows of 16 elements for three threads, of which the first has 10 rows before the others."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_pass_the_caches(multistep: ModuleType, dtype: torch.dtype) -> None:
    """The loop writes whole lines of the results that nobody has read, and all of them."""
    arrays = [torch.randn(4, 128, dtype=dtype).numpy() for _ in range(4)]
    row, landing = np.ones(7, arrays[0].dtype), torch.full((4, 128), torch.nan, dtype=dtype).numpy()
    multistep._main_pass_0_loop(row, *arrays, landing)
    assert np.isfinite(landing).all()
    loop = multistep.numba.njit(multistep._main_pass_0_loop.py_func)
    loop(row, *arrays, landing)
    if platform.machine() == "x86_64":
        assert "movntp" in next(iter(loop.inspect_asm().values()))


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
def test_large_arrays_of_any_dtypes(
    module: ModuleType, dtype: torch.dtype, predicted: torch.dtype, monkeypatch
) -> None:
    """Of the sample and of the prediction: the loop reads and rounds halves as torch does."""
    x = torch.linspace(-1, 1, 100, dtype=dtype)
    plan, sizes = module.Plan(grid_of(module), dtype), []

    def run() -> torch.Tensor:
        return module.sample(lambda y, t: network(x, t).to(predicted), x, plan)

    def counted(loop, c, flat, whole) -> None:
        sizes.append(whole)
        fuse(loop, c, flat, whole)

    fuse, expected = module._fuse, run()
    shrink(module, monkeypatch, tile=32)
    monkeypatch.setattr(module, "_fuse", counted)
    found = run()
    assert sizes == [96] * sum(len(plan.passes[phase]) for phase in plan.phases)
    assert found.dtype == dtype
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_those_of_torch(multistep: ModuleType, dtype: torch.dtype) -> None:
    """Every number is read exactly; those between two are rounded to the nearest, or to even."""
    widen, narrow = multistep._widen, multistep._narrow

    @numba.njit
    def convert(halves, wide, numbers, rounded):
        for i in range(halves.size):
            wide[i] = widen(halves[i])
        for i in range(numbers.size):
            rounded[i] = narrow(numbers[i], rounded)

    halves = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(dtype)
    ordered = halves.float().sort().values
    between = (ordered[1:] + ordered[:-1]) / 2
    numbers = torch.cat([between, between.nextafter(ordered[1:]), between.nextafter(ordered[:-1])])
    wide, rounded = torch.empty(2**16), torch.empty(numbers.shape, dtype=dtype)
    bits = [one.view(multistep._BITS[dtype]).numpy() for one in (halves, rounded)]
    convert(bits[0], wide.numpy(), numbers.numpy(), bits[1])
    torch.testing.assert_close(wide, halves.float(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(rounded, numbers.to(dtype), rtol=0, atol=0, equal_nan=True)


def test_a_result_that_begins_inside_a_line(module: ModuleType, monkeypatch) -> None:
    """Another allocator may begin anywhere: whole lines are then left to torch."""
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)
    expected = module.sample(network, x, grid_of(module))

    def shifted(like: torch.Tensor, **options) -> torch.Tensor:
        return torch.empty(like.numel() + 1, dtype=like.dtype)[1:].view_as(like)

    shrink(module, monkeypatch)
    monkeypatch.setattr(torch, "empty_like", shifted)
    found = module.sample(network, x, grid_of(module))
    torch.testing.assert_close(found, expected)


def test_a_negated_view_is_read(module: ModuleType, monkeypatch) -> None:
    """Of which numpy knows nothing."""
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)
    expected = module.sample(network, x, grid_of(module))
    shrink(module, monkeypatch)
    found = module.sample(lambda y, t: torch._neg_view(-network(y, t)), x, grid_of(module))
    torch.testing.assert_close(found, expected)


FORKED = """
import os, sys
from importlib import import_module
import torch
sys.path.insert(0, sys.argv[1])
module = import_module("forked")
module._BLOCK = module._SHARE = 1000
torch.set_num_threads(2)
x = torch.linspace(-1, 1, 5000)
plan = module.Plan(module.timesteps(6, start=0.9, end=0.1))
expected = module.sample(lambda y, t: y, x, plan)
child = os.fork()
if child == 0:
    found = module.sample(lambda y, t: y, x, plan)
    os._exit(0 if (found - expected).abs().max() < 1e-5 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_process_has_threads_of_its_own(tmp_path: Path) -> None:
    """As workers of data loaders are."""
    sg.write(sg.Solver(*CHOICES["multistep"]), "torch", tmp_path / "forked.py")
    subprocess.run([sys.executable, "-c", FORKED, str(tmp_path)], check=True, timeout=60)


def test_a_module_without_a_file_has_the_loop(multistep: ModuleType, monkeypatch) -> None:
    """Where numba can keep nothing on disk; Triton asks for a file."""
    monkeypatch.setitem(sys.modules, "triton", None)
    source, scope = Path(multistep.__file__).read_text(), {"__name__": "__main__"}
    exec(compile(source, "<text>", "exec"), scope)
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)
    expected = multistep.sample(network, x, grid_of(multistep))
    scope.update(_BLOCK=7, _SHARE=32, _TILE=16)
    torch.testing.assert_close(scope["sample"](network, x, grid_of(multistep)), expected)


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
    """The network and the main pass as one graph: its row of coefficients is a tensor."""
    counter = CompileCounter()
    torch._dynamo.reset()

    @torch.compile(backend=counter, fullgraph=True)
    def step(row, x, past):
        return multistep._main_pass_0(row, x, x, network(x, row[0]), past, ())

    rows = multistep.Plan(grid_of(multistep, 12)).rows
    x, past = torch.ones(5), (torch.ones(5), torch.zeros(5))
    for row in rows[4::2]:
        x, value = step(row, x, past)
        past = (value, past[0])
    assert counter.frame_count == 1


@pytest.mark.slow
def test_compiled_passes_take_the_same_steps(multistep: ModuleType) -> None:
    """``Plan(compiled=True)`` on the default backend, each pass compiled once."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    x, grid = torch.linspace(-1, 1, 64), grid_of(multistep, 8)
    found = multistep.sample(network, x, multistep.Plan(grid, compiled=True))
    torch.testing.assert_close(found, multistep.sample(network, x, grid))
    used = set(multistep.Plan(grid).phases)
    passes = sum(len(multistep._PASSES[phase]) for phase in used)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == passes
    assert not torch._dynamo.utils.counters["graph_break"]


@pytest.mark.parametrize("route", ["expressions", "kernels"])
def test_a_run_never_asks_the_device(module: ModuleType, route: str, monkeypatch) -> None:
    """Tensors without values: .item(), a comparison or a copy to the host would raise."""
    plan, launched = module.Plan(grid_of(module)), []
    plan.rows, plan.times = plan.rows.to("meta"), plan.times.to("meta")
    if route == "kernels":
        monkeypatch.setattr(module, "_is_writable", lambda kernel, c, arrays: True)
        monkeypatch.setattr(module, "_launch", lambda *arguments: launched.append(arguments))
    found = module.sample(network, torch.empty(2, 3, device="meta"), plan)
    assert found.is_meta
    assert found.shape == (2, 3)
    passes = sum(len(plan.passes[phase]) for phase in plan.phases)
    assert len(launched) == (passes if route == "kernels" else 0)
    with pytest.raises(RuntimeError, match="meta"):
        plan.rows.sum().item()


INTERPRETED = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
import torch
spec = spec_from_file_location("emitted", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)
expressions, launches = module._expressions, []

def launched(kernel, loop, c, arrays, *combinations, over=None):
    results = [torch.full_like(arrays[0], torch.nan) for _ in combinations]
    if over is not None:
        results[-1] = arrays[over]
    exact = expressions(c, arrays, combinations, None)
    module._launch(kernel, c, arrays, results)
    launches.append(kernel)
    torch.testing.assert_close(results, exact, rtol=1e-6, atol=1e-6)
    return results

module._combine = launched
grid = module.timesteps(4, "time", start=0.9, end=0.1)
for dtype in (torch.float32, torch.float64):
    x = torch.linspace(-1, 1, 1500, dtype=dtype)
    launches.clear()
    found = module.sample(lambda y, t: torch.sin(y) * (1 + t), x, grid)
    plan = module.Plan(grid)
    assert len(launches) == sum(len(plan.passes[phase]) for phase in plan.phases)
    assert found.isfinite().all()
    if hasattr(module, "sample_adaptive"):
        launches.clear()
        calls = []
        network = lambda y, t: torch.sin(y) * (1 + t)
        module.sample_adaptive(network, x, 1e-3, 1e-3, 0.9, 0.1, calls.append)
        assert len(launches) >= len(calls) > 4
"""


@pytest.mark.parametrize("choice", CHOICES)
def test_gpu_kernels_interpreted(choice: str, tmp_path: Path, monkeypatch) -> None:
    """Triton's interpreter runs the kernels on the CPU: one launch a pass, the same results."""
    pytest.importorskip("triton")
    path = sg.write(sg.Solver(*CHOICES[choice]), "torch", tmp_path / "emitted.py")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    subprocess.run([sys.executable, "-c", INTERPRETED, str(path)], check=True)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_gpu_kernels_compile_to_wide_loads(multistep: ModuleType, dtype: str) -> None:
    """To PTX for an H100, without one: every array is read once, 16 bytes at a time, in float32."""
    triton = pytest.importorskip("triton")
    kernel = multistep._main_pass_0_kernel
    arrays = ["x", "prediction", "n_1", "n_2", "landing", "stored"]
    assert kernel.arg_names == ["c", *arrays, "size"]
    signature = {"c": "*fp32", **dict.fromkeys(arrays, f"*{dtype}"), "size": "i32"}
    source = triton.compiler.ASTSource(
        fn=kernel,
        signature=signature,
        attrs={(place,): [["tt.divisibility", 16]] for place in range(1, 8)},
    )
    target = triton.backends.compiler.GPUTarget("cuda", 90, 32)
    code = triton.compile(source, target=target).asm["ptx"].splitlines()
    bytes_each = {"fp32": 4, "bf16": 2}[dtype] * 1024 // 128
    loads = [line for line in code if "ld.global.v4.b32" in line]
    stores = [line for line in code if "st.global.v4.b32" in line]
    assert (len(loads), len(stores)) == (4 * bytes_each // 16, 2 * bytes_each // 16)
    assert sum("ld.global" in line for line in code) == len(loads) + 6
    assert any("fma.rn.f32" in line for line in code)
