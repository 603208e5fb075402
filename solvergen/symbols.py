"""The symbols that every derivation in the package is written in."""

from sympy import Symbol

t = Symbol("t", positive=True)
"""Time. Noise grows with it; a step goes from ``s`` to ``t`` with ``t < s``."""

s = Symbol("s", positive=True)
"""The time at which a step starts."""

half_log_snr_symbol = Symbol("lambda", real=True)
"""A value of lambda = log(alpha / sigma), the argument of ``time_at_half_log_snr``."""

gamma = Symbol("gamma", real=True)
"""A value of an expansion variable."""

alpha = Symbol("alpha", positive=True)
sigma = Symbol("sigma", positive=True)
"""The schedule's values at t, where a formula holds for every schedule."""

alpha_dot = Symbol("alpha_dot", real=True)
sigma_dot = Symbol("sigma_dot", real=True)
"""The schedule's time derivatives alpha'(t) and sigma'(t)."""

OF_TIME = (t, alpha, sigma, alpha_dot, sigma_dot)
"""The five symbols that a formula of one time is written in."""

alpha_s = Symbol("alpha_s", positive=True)
sigma_s = Symbol("sigma_s", positive=True)
"""The schedule's values at s, the start of a step."""

length = Symbol("h", positive=True)
"""lambda_t - lambda_s, the length of a step."""

eta = Symbol("eta", positive=True)
"""The stochasticity of a step, where it is constant over each: a number of the run."""
