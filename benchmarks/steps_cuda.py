"""One step on a GPU: bandwidth, kernels a step, no synchronisation, a run in one CUDA graph.

    python benchmarks/steps.py --device cuda

Times are CUDA events around a step after a warm-up, the median of 30 repeats, beside a device copy
of as many bytes as the step reads and writes, and the steps of diffusers' schedulers. It takes
less than four minutes, most of them torch.compile's; what it prints goes into RESULTS.md.
"""

from collections.abc import Callable
from statistics import median
from types import ModuleType

import torch
from rich.console import Console
from rich.table import Table

import solvergen as sg

SHAPES = ((1, 4, 64, 64), (16, 4, 64, 64), (16, 3, 256, 256), (64, 3, 512, 512))
STEPS, REPEATS = 20, 30
DEVICE = "cuda"
PEERS = (("DPMSolverMultistepScheduler", 3), ("UniPCMultistepScheduler", 3))
READS, WRITES = 4, 2
"""Of a main step of multistep:3: x, P, N_1, N_2; x and N_0."""


def module() -> ModuleType:
    return sg.compile(
        sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3"), "torch"
    )


def seconds(action: Callable[[], object]) -> float:
    """The median time of an action on the device."""
    found = []
    for _ in range(3):
        action()
    for _ in range(REPEATS):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        action()
        last.record()
        last.synchronize()
        found.append(first.elapsed_time(last) / 1e3)
    return median(found)


def step_of(
    emitted: ModuleType, shape: tuple[int, ...], dtype: torch.dtype
) -> Callable[[], object]:
    """The main pass, compiled as a plan on the device compiles it, on tensors of this shape."""
    plan = emitted.Plan(emitted.timesteps(STEPS, "time", end=0.01), dtype, DEVICE)
    x, prediction, first, second = (
        torch.randn(shape, dtype=dtype, device=DEVICE) for _ in range(4)
    )
    row = plan.rows[-2]
    return lambda: plan.advance(row, x, prediction, first, second)


def peer_of(name: str, order: int, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """The median time of a step of a scheduler of diffusers, its own work on the host included."""
    import diffusers

    scheduler = getattr(diffusers, name)(solver_order=order)
    x, output = (torch.randn(shape, dtype=dtype, device=DEVICE) for _ in range(2))
    found = []
    for _ in range(3):
        scheduler.set_timesteps(STEPS, device=DEVICE)
        for t in scheduler.timesteps:
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            x = scheduler.step(output, t, x, return_dict=False)[0]
            last.record()
            last.synchronize()
            found.append(first.elapsed_time(last) / 1e3)
    return median(found[STEPS:])


def copy_of(shape: tuple[int, ...], dtype: torch.dtype) -> Callable[[], object]:
    """A copy that moves as many bytes: half of them are read, half written."""
    size = (READS + WRITES) * torch.Size(shape).numel() // 2
    source, target = (torch.empty(size, dtype=dtype, device=DEVICE) for _ in range(2))
    return lambda: target.copy_(source)


def kernels(action: Callable[[], object]) -> list[str]:
    """The kernels that an action launches."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    action()
    with torch.profiler.profile(activities=activities) as profile:
        action()
        torch.cuda.synchronize()
    return [one.name for one in profile.events() if one.device_type.name == "CUDA"]


def never_waits(emitted: ModuleType) -> bool:
    """Whether a run with a plan passes in the mode in which synchronisation is an error."""
    plan = emitted.Plan(emitted.timesteps(STEPS, "time", end=0.01), device=DEVICE)
    x = torch.randn(1, 4, 64, 64, device=DEVICE)
    emitted.sample(lambda y, t: torch.sin(y) * t, x, plan)
    torch.cuda.set_sync_debug_mode("error")
    try:
        emitted.sample(lambda y, t: torch.sin(y) * t, x, plan)
    except RuntimeError:
        return False
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True


def graph_error(emitted: ModuleType) -> float:
    """The largest difference of a captured and replayed run from an eager one."""
    plan = emitted.Plan(emitted.timesteps(STEPS, "time", end=0.01), device=DEVICE)
    x = torch.randn(1, 4, 64, 64, device=DEVICE)

    def run() -> torch.Tensor:
        return emitted.sample(lambda y, t: torch.sin(y) * t, x, plan)

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = run()
    x.normal_()
    graph.replay()
    return float((captured - run()).abs().max())


def main() -> None:
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device; expected a machine that has one")
    emitted = module()
    shown = Table("shape", "dtype", "step, us", "copy, us", "of the copy's bandwidth")
    for shape in SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            step, copy = seconds(step_of(emitted, shape, dtype)), seconds(copy_of(shape, dtype))
            name = "x".join(map(str, shape))
            figures = (f"{1e6 * step:.1f}", f"{1e6 * copy:.1f}", f"{copy / step:.0%}")
            shown.add_row(name, str(dtype).removeprefix("torch."), *figures)
    console = Console()
    console.print(torch.cuda.get_device_name(), shown)
    for name, order in PEERS:
        figures = [1e6 * peer_of(name, order, shape, torch.float32) for shape in SHAPES]
        console.print(f"{name}, order {order}, float32, us:", [round(one, 1) for one in figures])
    console.print("kernels of a step:", kernels(step_of(emitted, SHAPES[2], torch.float32)))
    console.print("a run never waits for the device:", never_waits(emitted))
    console.print(f"{STEPS} steps in one CUDA graph, difference from eager:", graph_error(emitted))


if __name__ == "__main__":
    main()
