"""What an emitted scheduler does with the options of other schedulers' configs.

A pipeline's config was written for another scheduler of diffusers. Each of its options is one of

    read       it says noise levels, times, the grid, or what the network returns
    plain      it must have its plain value, because it asks for what is not compiled in
    idle       it tunes the solver that the emitted one replaces, or is of the other networks

and none of diffusers is missing: the table holds every option of every class whose config says a
table of betas, a shift or flow sigmas; those of other networks are refused as a whole.
"""

from dataclasses import dataclass
from math import inf
from textwrap import wrap
from typing import Any

WIDTH = 92


@dataclass(frozen=True)
class Options:
    """The options of one family of networks.

    Attributes:
        read: arguments of the emitted class, and what is read on the way to them.
        plain: the values of the options that would ask for something else.
        idle: those without a meaning here.
    """

    read: tuple[str, ...]
    plain: dict[str, Any]
    idle: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """All that are known."""
        return frozenset((*self.read, *self.plain, *self.idle))

    @property
    def plain_code(self) -> str:
        """The dictionary of plain values."""
        items = (f'"{name}": {_code(value)}' for name, value in sorted(self.plain.items()))
        lines = wrap(f"{', '.join(items)},", WIDTH, break_long_words=False)
        return "\n".join(["{", *(f"    {line}" for line in lines), "}"])


def _code(value: Any) -> str:
    if value == -inf:
        return "-np.inf"
    return f'"{value}"' if isinstance(value, str) else repr(value)


_SOLVERS = (
    "algorithm_type", "corrector_order", "disable_corrector", "eta", "euler_at_final",
    "lower_order_final", "noise_sampler_seed", "predict_x0", "predictor_order", "skip_prk_steps",
    "solver_order", "solver_p", "solver_type", "tau_func",
)  # fmt: skip
_SPREADS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
_FLOW = (
    "base_image_seq_len", "base_shift", "flow_shift", "max_image_seq_len", "max_shift", "shift",
    "shift_terminal", "time_shift_type", "use_dynamic_shifting",
)  # fmt: skip
_BETAS = (
    "beta_end", "beta_schedule", "beta_start", "clip_sample", "clip_sample_range",
    "rescale_betas_zero_snr", "set_alpha_to_one", "snr_shift_scale", "steps_offset",
    "timestep_spacing", "trained_betas", "use_lu_lambdas",
)  # fmt: skip
_ON_DATA = ("dynamic_thresholding_ratio", "sample_max_value", "thresholding")
_COMMON = (
    "num_train_timesteps", "prediction_type", "sigma_max", "sigma_min", "variance_type",
    *_SPREADS, *_ON_DATA,
)  # fmt: skip
_OF_STAGES = (
    "eps", "final_step_size_scale", "gamma", "num_policy_substeps", "scale_factors",
    "scheduler_type", "stage_range",
)  # fmt: skip
"""Of samplers for networks that jump: refused by ``n_grid``, ``stages`` and ``upscale_mode``."""

DISCRETE = Options(
    (*_COMMON, *_BETAS, "final_sigmas_type", "use_flow_sigmas"),
    {
        "interpolation_type": "linear",
        "lambda_min_clipped": -inf,
        "timestep_scaling": None,
        "timestep_type": "discrete",
    },
    (*_SOLVERS, *_FLOW, "original_inference_steps"),
)
FLOW = Options(
    (*_COMMON, *_FLOW, "use_flow_sigmas"),
    {
        "final_sigmas_type": "zero",
        "invert_sigmas": False,
        "lambda_min_clipped": -inf,
        "n_grid": None,
        "stages": None,
        "stochastic_sampling": False,
        "upscale_mode": None,
    },
    (*_SOLVERS, *_BETAS, *_OF_STAGES),
)


def markdown() -> str:
    """The table for people."""
    lines = [
        "# Options of diffusers' configs",
        "",
        "What an emitted scheduler does with every option of a config that it may be given by",
        "`Scheduler.from_config(pipe.scheduler.config)`. An option that has to have a value is",
        "refused by name if it has another one; what is idle tunes the solver that is replaced, or",
        "networks of the other kind. A spacing and a clip_sample that nobody chose are left out.",
        "The page is made by",
        "`python -m solvergen.targets.diffusers_options > docs/diffusers_options.md`.",
        "",
        "| option | networks with betas | flow networks |",
        "| --- | --- | --- |",
    ]
    for name in sorted(DISCRETE.names | FLOW.names):
        lines.append(f"| `{name}` | {_said(DISCRETE, name)} | {_said(FLOW, name)} |")
    return "\n".join(lines)


def _said(options: Options, name: str) -> str:
    if name == "algorithm_type":
        return "idle; `sde-..` is refused"
    if name == "set_alpha_to_one" and name in options.read:
        return "read; idle beside `skip_prk_steps`, as PNDM has `False` by default"
    if name in options.plain:
        value = options.plain[name]
        return "refused" if value is None else f"has to be `{value}`"
    return "read" if name in options.read else "idle" if name in options.idle else "-"


if __name__ == "__main__":
    print(markdown())
