"""Noise schedules: two formulas on a domain, other ways to say them, and those that have
a name."""

from solvergen.schedules.declarations import (
    from_beta,
    from_drift_diffusion,
    from_half_log_snr,
    from_sigma,
    reversed_time,
)
from solvergen.schedules.named import (
    edm,
    flow_shifted,
    get,
    names,
    rectified_flow,
    stable_diffusion,
    straight,
    sub_vp,
    tabulated,
    trigonometric,
    ve,
    ve_geometric,
    vp_alphabar,
    vp_cosine,
    vp_linear,
    vp_sigmoid,
    zero_terminal_snr,
)

__all__ = [
    "edm",
    "flow_shifted",
    "from_beta",
    "from_drift_diffusion",
    "from_half_log_snr",
    "from_sigma",
    "get",
    "names",
    "rectified_flow",
    "reversed_time",
    "stable_diffusion",
    "straight",
    "sub_vp",
    "tabulated",
    "trigonometric",
    "ve",
    "ve_geometric",
    "vp_alphabar",
    "vp_cosine",
    "vp_linear",
    "vp_sigmoid",
    "zero_terminal_snr",
]


def __dir__() -> list[str]:
    """The schedules, and how they are found by name."""
    return __all__
