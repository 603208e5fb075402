"""What solvergen derives and emits of a few inputs, as hashes, in a process of its own.

    python derived_texts.py SPEED DPS ORDER [few]

The clocks run SPEED times as fast, mpmath starts with DPS digits, and the inputs come in this or in
the reversed ORDER. With ``few`` it says so when it is ready, and waits for a line before it starts.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable

import one_thread  # noqa: F401 - before anything imports numpy


def run_clocks(speed: float) -> None:
    """Every clock that a program could ask, from now on."""

    def faster(clock: Callable[[], float]) -> Callable[[], float]:
        start = clock()
        return lambda: start + speed * (clock() - start)

    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, faster(getattr(time, name)))


def texts() -> dict[str, Callable[[], str]]:
    """{name: what makes the text}: schedules whose derivation once depended on the clock."""
    import solvergen as sg
    from solvergen import compiler
    from solvergen.reports.derivation import sections

    t = sg.t
    parabola = sg.NoiseSchedule(1 - t**2, (1 - (1 - t**2) ** 2) ** 0.5, name="parabola")
    cosine = ("vp_cosine", "noise", "noise", "time", "multistep:2")
    sub_vp = ("sub_vp", "noise", "noise", "half_log_snr", "multistep:2")
    edm = ("edm", "data", "velocity", "theta", "multistep:3")
    low = "atan(exp(-7.5))"
    angle = f"{low} + (pi/2 - 2*{low})*t"
    bounded = sg.NoiseSchedule(f"cos({angle})", f"sin({angle})", name="bounded")
    roots = "0.002**(1/7) + t*(80**(1/7) - 0.002**(1/7))"
    karras = sg.NoiseSchedule("1", f"({roots})**7", name="karras")
    linear = sg.Solver("vp_linear", "noise", "data")
    grid = compiler.grid(linear, 20, "half_log_snr", 1.0, 0.001)

    return {
        "emitted": lambda: sg.emit(sg.Solver(*cosine), "numpy"),
        "measured": lambda: sg.emit(sg.Solver(*edm), "numpy"),
        "warned": lambda: sg.emit(sg.Solver(bounded, "data", "score"), "numpy"),
        "chosen": lambda: sg.emit(sg.Solver(karras, "flow", "velocity", "theta"), "numpy"),
        "baked": lambda: sg.emit(linear, "torch", timesteps=grid),
        "derived": lambda: str(sections(sg.Solver(*sub_vp).weights)),
        "schedule": lambda: f"{parabola.f} {parabola.half_log_snr} {parabola.time_at_half_log_snr}",
    }


def main(speed: str, dps: str, order: str, few: str = "") -> None:
    run_clocks(float(speed))
    import mpmath

    mpmath.mp.dps = int(dps)
    makers = list(texts().items())
    if few:
        makers = makers[-1:]
        print("ready", flush=True)
        sys.stdin.readline()
    found = {name: make() for name, make in (makers[::-1] if order == "reversed" else makers)}
    assert mpmath.mp.dps == int(dps)
    print(
        json.dumps(
            {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
