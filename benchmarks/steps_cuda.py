"""Steps on a GPU: bandwidth, kernels, no synchronisation, a run in one CUDA graph, every preset.

    python benchmarks/steps.py --device cuda [--write]

The time of a step is that of its kernels alone: steps on arrays that no cache holds, one after
another in a CUDA graph, beside copies of as many bytes that are timed in the same way. The time of
a run is what its user waits for, the work of the host included, beside schedulers of diffusers.
It takes less than four minutes, most of them torch.compile's and the compiler's.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import torch
from machine import description

import solvergen as sg

SHAPES = ((1, 4, 64, 64), (16, 4, 64, 64), (16, 3, 256, 256), (64, 3, 512, 512))
DTYPES = (torch.float32, torch.bfloat16)
STEPS, REPEATS = 20, 20
DEVICE = "cuda"
BEYOND_CACHES = 2**28
"""Bytes of the arrays of the steps of a graph: several times the second-level cache."""
READS, WRITES = 4, 2
"""Of a main step of multistep:3: x, P, N_1, N_2; x and N_0."""
PEERS: tuple[tuple[str, dict[str, int]], ...] = (
    ("EulerDiscreteScheduler", {}),
    ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    ("UniPCMultistepScheduler", {"solver_order": 3}),
)
SCHEMES = ("multistep:3", "unipc:2", "singlestep:2", "multistep:2 with noise")
PLAIN = "multistep:2"
FILE = Path(__file__).parent / "RESULTS_gpu.md"


def solver(name: str) -> sg.Solver:
    """A preset, on a schedule that has its prediction, or data in lambda by a scheme."""
    if name in sg.presets.fixed_names():
        preset = sg.presets.find(name)
        flow = preset.integrand == sg.FLOW
        return preset.solver(*(("rectified_flow", "flow") if flow else ("vp_linear", "noise")))
    scheme, _, noise = name.partition(" with ")
    stochasticity = "eta: 1" if noise else None
    return sg.Solver(
        "vp_linear", "noise", "data", "half_log_snr", scheme, stochasticity=stochasticity
    )


def compiled(name: str) -> ModuleType:
    """Its torch module, from the cache if it is there."""
    return sg.compile(solver(name), "torch")


def fill_cache(name: str) -> None:
    """The work of a process of its own, which cannot return a module."""
    compiled(name)


def modules(names: tuple[str, ...]) -> dict[str, ModuleType]:
    """The modules of many, emitted by processes beside each other."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(fill_cache, names))
    return {name: compiled(name) for name in names}


def grid(module: ModuleType) -> Any:
    """That of a run."""
    return module.timesteps(STEPS, "time", end=0.01)


def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """A smooth one, of one kernel or two."""
    return torch.sin(x) * t


def noise(draw: int, times: Any, x: torch.Tensor) -> torch.Tensor:
    """The same numbers on every device."""
    return torch.randn(
        x.shape, generator=torch.Generator().manual_seed(draw), dtype=torch.float64
    ).to(x)


def in_graph(action: Callable[[], Any], first: Callable[[], Any]) -> tuple[Any, Any]:
    """A CUDA graph of an action and what that returns; ``first`` runs before, to compile."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        first()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = action()
    return graph, result


def replayed(actions: list[Callable[[], object]]) -> float:
    """Seconds of one of the actions, in a graph that runs all of them one after another."""
    graph, kept = in_graph(lambda: [one() for one in actions], actions[0])
    found = []
    for _ in range(REPEATS):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        graph.replay()
        last.record()
        last.synchronize()
        found.append(first.elapsed_time(last) / 1e3)
    del kept
    return median(found[2:]) / len(actions)


def bandwidth(module: ModuleType, shape: tuple[int, ...], dtype: torch.dtype) -> list[str]:
    """A row of the table of steps and copies."""
    torch.compiler.reset()
    plan = module.Plan(grid(module), dtype, DEVICE)
    size = torch.Size(shape).numel()
    count = size * (READS + WRITES) * torch.empty((), dtype=dtype).element_size()
    sets = min(50, max(2, BEYOND_CACHES // count))
    arrays = [
        [torch.randn(shape, dtype=dtype, device=DEVICE) for _ in range(READS)] for _ in range(sets)
    ]
    step = replayed([partial(plan.advance, plan.rows[-2], *one) for one in arrays])
    half = size * (READS + WRITES) // 2
    pairs = [[torch.empty(half, dtype=dtype, device=DEVICE) for _ in range(2)] for _ in range(sets)]
    copy = replayed([partial(one[0].copy_, one[1]) for one in pairs])
    name = "x".join(map(str, shape)), str(dtype).removeprefix("torch.")
    figures = f"{1e6 * step:.1f}", f"{1e6 * copy:.1f}", f"{copy / step:.0%}"
    return [*name, *figures, f"{count / step / 1e12:.2f}"]


def waited(run: Callable[[], object]) -> float:
    """The median seconds of a run, from its call to the end of its last kernel."""
    found = []
    for _ in range(REPEATS):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        run()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - begun)
    return median(found[2:])


def peer(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> Callable[[], object]:
    """A run of a scheduler of diffusers, whose model says what it is given."""
    import diffusers

    scheduler = getattr(diffusers, name)(**options)
    x, output = (torch.randn(shape, device=DEVICE) for _ in range(2))

    def run() -> None:
        scheduler.set_timesteps(STEPS, device=DEVICE)
        now = x
        for t in scheduler.timesteps:
            scheduler.scale_model_input(now, t)
            now = scheduler.step(output, t, now, return_dict=False)[0]

    return run


def ours(module: ModuleType, shape: tuple[int, ...], compiled: bool) -> Callable[[], object]:
    """The same of a module, its plan included."""
    x, output = (torch.randn(shape, device=DEVICE) for _ in range(2))

    def run() -> None:
        plan = module.Plan(grid(module), x.dtype, DEVICE, compiled)
        module.sample(lambda x, t: output, x, plan)

    return run


def captured(module: ModuleType, shape: tuple[int, ...]) -> Callable[[], object]:
    """The same, with a plan that was made before, as one CUDA graph."""
    x, output = (torch.randn(shape, device=DEVICE) for _ in range(2))
    plan = module.Plan(grid(module), x.dtype, DEVICE)

    def run() -> torch.Tensor:
        return module.sample(lambda x, t: output, x, plan)

    graph, _ = in_graph(run, run)
    return graph.replay


def waits(module: ModuleType) -> list[list[str]]:
    """Rows of the table of runs: milliseconds, by shape."""
    torch.compiler.reset()
    named: list[tuple[str, Callable[[tuple[int, ...]], Callable[[], object]]]] = [
        ("multistep:3, compiled", lambda shape: ours(module, shape, True)),
        ("multistep:3, eager", lambda shape: ours(module, shape, False)),
        ("multistep:3, one CUDA graph", lambda shape: captured(module, shape)),
    ]
    for name, options in PEERS:
        text = f"diffusers {name}" + "".join(f" {key}={one}" for key, one in options.items())
        named.append((text, partial(peer, name, options)))
    return [
        [text, *(f"{1e3 * waited(made(shape)):.2f}" for shape in SHAPES)] for text, made in named
    ]


def with_noise(module: ModuleType, plain: ModuleType) -> list[list[str]]:
    """Rows of the table of noise: milliseconds of a run, by shape; ``plain`` adds none."""

    def run_of(one: ModuleType, shape: tuple[int, ...], made: Callable[[], Any]) -> Any:
        x, output = (torch.randn(shape, device=DEVICE) for _ in range(2))
        plan = one.Plan(grid(one), x.dtype, DEVICE)

        def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            if one is plain:
                torch.randn(shape, device=DEVICE)
            return output

        return lambda: one.sample(model, x, plan, **made())

    def generators(count: int) -> list[torch.Generator]:
        return [torch.Generator(DEVICE).manual_seed(i) for i in range(count)]

    torch.compiler.reset()
    named: list[tuple[str, ModuleType, Callable[[int], dict[str, Any]]]] = [
        ("without noise, and torch.randn", plain, lambda n: {}),
        ("torch.randn_like", module, lambda n: {"noise": lambda *one: torch.randn_like(one[-1])}),
        ("a generator for each sample", module, lambda n: {"noise": generators(n)}),
        ("seeds", module, lambda n: {"noise": 7}),
    ]
    return [
        [text, *(f"{1e3 * waited(run_of(one, x, partial(made, x[0]))):.2f}" for x in SHAPES)]
        for text, one, made in named
    ]


def kernels(module: ModuleType) -> tuple[int, int]:
    """Evaluations of a run, and kernels that its passes launch, over all of it."""
    x = torch.randn(2, 4, 64, 64, device=DEVICE)
    plan = module.Plan(grid(module), device=DEVICE)
    given, output = torch.randn_like(x), torch.randn_like(x)
    options = {"noise": lambda *_: given} if hasattr(module, "Normals") else {}

    def run() -> object:
        return module.sample(lambda x, t: output, x, plan, **options)

    run()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    names = [one.name for one in profile.events() if one.device_type.name == "CUDA"]
    counted = {one: names.count(one) for one in sorted(set(names))}
    print(counted)
    return len(plan.rows), len(names)


def after_shapes(module: ModuleType) -> int:
    """The kernels of a compiled step that has seen a dozen shapes before."""
    torch.compiler.reset()
    plan = module.Plan(grid(module), device=DEVICE)
    for height in range(16, 40, 2):
        arrays = [torch.randn(2, 4, height, 64, device=DEVICE) for _ in range(READS)]
        plan.advance(plan.rows[-2], *arrays)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        plan.advance(plan.rows[-2], *arrays)
        torch.cuda.synchronize()
    return sum(one.device_type.name == "CUDA" for one in profile.events())


def never_waits(module: ModuleType) -> bool:
    """Whether a run with a plan passes in the mode in which synchronisation is an error."""
    plan = module.Plan(grid(module), device=DEVICE)
    x = torch.randn(1, 4, 64, 64, device=DEVICE)
    given = torch.randn_like(x)
    options = {"noise": lambda *_: given} if hasattr(module, "Normals") else {}
    module.sample(model, x, plan, **options)
    torch.cuda.set_sync_debug_mode("error")
    try:
        module.sample(model, x, plan, **options)
    except RuntimeError as error:
        print(error)
        return False
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True


def graph_error(module: ModuleType) -> float:
    """The largest difference of a captured and replayed run from an eager one."""
    plan = module.Plan(grid(module), device=DEVICE)
    x = torch.randn(1, 4, 64, 64, device=DEVICE)
    given = torch.randn_like(x)
    options = {"noise": lambda *_: given} if hasattr(module, "Normals") else {}

    def run() -> torch.Tensor:
        return module.sample(model, x, plan, **options)

    graph, result = in_graph(run, run)
    x.normal_()
    graph.replay()
    return float((result - run()).abs().max())


def difference(module: ModuleType, compiled: bool) -> float:
    """The largest relative difference of a sample on the device from one on the host, float64."""
    x = torch.randn(3, 5, dtype=torch.float64)
    times = module.timesteps(7, "time", end=0.01)
    given = {"noise": noise} if hasattr(module, "Normals") else {}
    here, there = (
        module.sample(model, one, module.Plan(times, one.dtype, one.device, kind), **given)
        for one, kind in ((x, False), (x.to(DEVICE), compiled))
    )
    return float((there.cpu() - here).abs().max() / here.abs().max())


def table(heads: list[str], rows: list[list[str]]) -> str:
    """As Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(one)} |\n" for one in lines)


def findings(found: dict[str, ModuleType]) -> list[list[str]]:
    """Rows of the table of questions, a scheme each."""
    rows = []
    for name in SCHEMES:
        torch.compiler.reset()
        module = found[name]
        evaluations, launched = kernels(module)
        waits_never = "yes" if never_waits(module) else "NO"
        errors = graph_error(module), difference(module, compiled=True)
        rows.append(
            [name, str(evaluations), str(launched), waits_never, *map("{:.0e}".format, errors)]
        )
    return rows


def main(write: bool) -> None:
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device; expected a machine that has one")
    begun = time.perf_counter()
    presets = tuple(sg.presets.fixed_names())
    found = modules((*SCHEMES, PLAIN, *presets))
    print(f"{len(found)} modules emitted in {time.perf_counter() - begun:.0f} s")
    main_module = found[SCHEMES[0]]
    steps = [bandwidth(main_module, shape, dtype) for shape in SHAPES for dtype in DTYPES]
    heads = ["shape", "dtype", "step, us", "copy, us", "of the copy's bandwidth", "TB/s"]
    text = f"## A step of multistep:3\n\n{table(heads, steps)}\n"
    heads = [f"a run of {STEPS} steps, ms", *("x".join(map(str, shape)) for shape in SHAPES)]
    text += f"## What a user waits for, float32\n\n{table(heads, waits(main_module))}\n"
    heads = [f"{SCHEMES[-1]}, {STEPS} steps, ms", *heads[1:]]
    text += (
        f"## With noise, float32\n\n{table(heads, with_noise(found[SCHEMES[-1]], found[PLAIN]))}\n"
    )
    heads = ["scheme", "evaluations", "kernels", "never waits for the device"]
    heads += ["graph - eager, float32", "device - host, float64"]
    text += f"## A run of {STEPS} steps\n\n{table(heads, findings(found))}\n"
    worst = {name: difference(found[name], compiled=False) for name in presets}
    named = max(worst, key=lambda one: worst[one])
    text += (
        f"The samples of {len(presets)} presets on the device differ from those on the host by at "
        f"most {worst[named]:.0e} of the largest number ({named}), eager, in float64.\n"
        f"Kernels of a compiled step that has seen a dozen shapes: {after_shapes(main_module)}.\n"
    )
    where = torch.cuda.get_device_name()
    text = (
        f"# On a GPU\n\n{where}; {description()}\n`python benchmarks/steps.py --device cuda "
        f"--write`.\n\n{text}"
    )
    print(text, f"{time.perf_counter() - begun:.0f} s", flush=True)
    if write:
        FILE.write_text(text)
