"""How long each named schedule takes: derived, with the moments of order 3, and emitted.

    python benchmarks/derive_times.py [NAME ...]

Processor seconds, each schedule in a fresh process, so that nothing is cached; imports aside.
"""

import subprocess
import sys

import solvergen as sg

ONE = """
import sys, time
import solvergen as sg
from solvergen.targets import rendering
from solvergen.reports import derivation

schedule = sg.schedules.get(sys.argv[1])
started = time.process_time()
schedule.f, schedule.g_squared, schedule.half_log_snr, schedule.time_at_half_log_snr
derived = time.process_time()
spec = sg.Solver(schedule, sg.NOISE, sg.DATA, "half_log_snr", "multistep:3")
derivation.sections(spec.weights, 3)
moments = time.process_time()
rendering.coefficients_module(spec)
print(derived - started, moments - started, time.process_time() - started)
"""


def seconds(name: str) -> list[float]:
    """Derivation; that and the moments; that and the module."""
    done = subprocess.run(
        [sys.executable, "-c", ONE, name], capture_output=True, text=True, check=True
    )
    return [float(one) for one in done.stdout.split()]


def main(names: tuple[str, ...]) -> None:
    """Print the table."""
    print(f"{'schedule':<20} {'derived':>9} {'+ moments':>10} {'+ module':>9}")
    for name in names:
        derived, moments, module = seconds(name)
        print(f"{name:<20} {derived:>8.2f}s {moments:>9.2f}s {module:>8.2f}s", flush=True)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or sg.schedules.names())
