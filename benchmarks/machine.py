"""Where a benchmark ran."""

import os
import platform
from pathlib import Path

import numba
import numpy as np
import torch


def processor() -> str:
    """Its name, where the system tells."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((one.split(": ")[1] for one in lines if one.startswith("model name")), "")


def description() -> str:
    """Processor, cores and the versions that matter, as a sentence."""
    return (
        f"{platform.machine()} {processor()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} torch threads, numpy {np.__version__}, numba "
        f"{numba.__version__}, torch {torch.__version__}, Python {platform.python_version()}."
    )
