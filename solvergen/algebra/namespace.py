"""The names of an emitted module, in one table, and how a user's names find their place among them.

A parameter ``beta_min`` becomes the constant ``BETA_MIN``, a table ``log_alpha`` the columns
``LOG_ALPHA`` and ``LOG_ALPHA_T``, a registered function keeps its name. Where a constant would
meet one of the module's own, it is renamed, ``ORDER_``; where two names of the user meet each
other, or a function meets a name that the module's functions use, the schedule is refused.
"""

import builtins
import keyword
import re
from collections.abc import Iterable

from solvergen import naming
from solvergen.errors import ScheduleError

SYMBOLS = frozenset((
    "t", "pi", "s", "alpha", "sigma", "alpha_dot", "sigma_dot", "alpha_s", "sigma_s", "gamma",
    "lambda", "h", "x",
))  # fmt: skip
"""The symbols of a derivation, which no parameter can be."""

_CONSTANTS = """
    COEFFICIENTS EVALUATIONS_PER_STEP EXTRA_EVALUATIONS LANDINGS LAST LOG_ALPHA LOG_ALPHA_T
    MAX_ITERATIONS NOISES_PER_STEP OFFSET ORDER ORDER_TO_THE_ENDS ROWS SIGMAS SLOPES SPEC
    STRONG_ORDER TIMESTEPS TOLERANCE T_MAX T_MIN WEAK_ORDER
"""

CONSTANTS = frozenset(_CONSTANTS.split())
"""Names in capitals that a module may define."""

_NAMES = """
    AdaptiveStepper Brownian ConfigMixin DDIMSchedulerOutput Normals Path Plan
    Scheduler SchedulerMixin SchedulerOutput Stepper Sweep a above accepted
    add_noise advance after again ahead alpha alpha_alpha_dot alpha_dot
    alpha_dot_over_sigma alpha_s alpha_t alphas_cumprod angle apart array arrays
    asked at at_start atol b back backwards bar base_image_seq_len base_shift batch
    before begin begin_index below beside beta_end beta_schedule beta_start betaincinv betas
    bits both bounds c cache callback cells centre centred change churn clip clipped
    clock closing cls coefficients column columns combinations compiled config
    context copy cos count counts cut d damping data deepcopy denoised density depth
    device difference disable distance distances done dp draw drawn draws drop dtype
    dynamic dynamic_thresholding_ratio dz e e_u early ell end ends err error eta
    evaluate evaluations even excess expansion_variable expected extra_args f factor
    fall falls fewer ff final final_sigmas_type finite first fits flat floats flow
    folded found from_config from_data function g gamma gap generator get_velocity
    given goes_on got graph grid grids groupby groups h half half_log_snr head high
    i index index_for_timestep init_noise_sigma inner inputs inside
    integrating_factor inverse invert is_first is_like is_one j jax jnp join judge k
    kappa keep keeps kept key keys kind kinds kink kinks known kwargs l landing last
    last_steps lax lay least least_of_all leaves left length level levels like limit
    limiter line lines listed log log_alpha logit loop low lower m mask mass math
    max_image_seq_len max_shift max_steps means measured memory met middle model
    model_output moment moments more moved mu n name namedtuple narrow needed new
    njit node noise noise_sampler noise_scale np nu num_inference_steps num_steps
    num_train_timesteps number numbered numbers of old oldest on_data one option
    options order orders original_samples os others out output outputs outside over
    own owner p pair pairs pairwise part parts passes past phase phases phi pi
    pieces place places plain plan prediction prediction_i prediction_type
    prev_sample product progress push_to_hub q quiet r randn_tensor range ratio
    ratios read readable refused register_to_config rejected repeats
    rescale_betas_zero_snr rest result results return_dict return_pair
    return_unused_kwargs reuses rho right rising rounded row rows rtol run runs s
    s_churn s_noise s_tmax s_tmin sample sample_adaptive sample_max_value samples
    save_directory save_pretrained scalars scale scale_model_input scale_noise
    scaled scales schedule_timesteps second seed seeds segments self set_begin_index
    set_shift set_timesteps shape share shift shift_terminal side sigma sigma_dot
    sigma_dot_over_alpha sigma_max sigma_min sigma_s sigma_sigma_dot sigma_t sigmas
    sign signs sin size slope slopes small snr_shift_scale some source sources
    spacing speed spread stage start starts state step step_index stepper steps
    steps_offset stretch sums sys t table tail taken target tensor term terms theta
    third thresholded thresholding time time_at time_at_expansion_variable
    time_at_half_log_snr time_shift time_shift_type time_speed times timestep
    timestep_spacing timesteps to to_data tolerance tolerances torch total tqdm
    trained_betas trange tree_flatten tree_unflatten typing u uniform unsaid up
    upper use_beta_sigmas use_clipped_model_output use_dynamic_shifting
    use_exponential_sigmas use_flow_sigmas use_karras_sigmas use_lu_lambdas v v_c
    value values variable variables variance variance_noise variance_type version
    view w warnings weyl where which whole wide width window word words wraps
    written ww x x_c x_i xp y y_c y_i z zero zeroth_moment
"""

NAMES = frozenset(_NAMES.split())
"""The other names that a module defines, imports, or uses as a local one beside its formulas."""

_PATTERNS = re.compile(r"\w+_\d+(_i)?|sample_\w+|\w+Scheduler")
"""Names with a number, and those that are made of a solver's."""


def is_taken(name: str) -> bool:
    """Whether a module has, or may have, a name of its own like this, or Python does."""
    return (
        name in NAMES
        or name in CONSTANTS
        or keyword.iskeyword(name)
        or hasattr(builtins, name)
        or _PATTERNS.fullmatch(name) is not None
    )


def constant(name: str, *suffixes: str) -> str:
    """The constant of a parameter or a table, for which the ``suffixes`` have to be free too."""
    found = name.upper()
    while any(f"{found}{suffix}" in CONSTANTS for suffix in ("", *suffixes)):
        found += "_"
    return found


def parameter(given: object) -> str:
    """The name of a parameter.

    Raises:
        ScheduleError: it is no identifier, or a symbol of the derivation.
    """
    if not isinstance(given, str) or keyword.iskeyword(given) or given in SYMBOLS:
        raise ScheduleError(
            f"parameter name: got {naming.shown(given)}; expected an identifier other than t, pi "
            f"and the symbols of the derivation, {', '.join(sorted(SYMBOLS - {'t', 'pi'}))}"
        )
    return naming.identifier("parameter name", given, ScheduleError)


def require_distinct(
    parameters: Iterable[str], tables: Iterable[str], functions: Iterable[str]
) -> None:
    """Refuse names that would be one in a module.

    Raises:
        ScheduleError: which two.
    """
    owners: dict[str, str] = {}
    wanted = [(constant(one), f"the parameter {one}") for one in parameters]
    for one in tables:
        column = constant(one, "_T")
        wanted += [(column, f"the table {one}"), (f"{column}_T", f"the table {one}")]
    wanted += [(one, f"the function {one}") for one in functions]
    for name, owner in wanted:
        if owners.setdefault(name, owner) != owner:
            raise ScheduleError(
                f"{owners[name]} and {owner} would both be called {name} in a module; expected "
                "names that differ by more than capitals: rename one."
            )
