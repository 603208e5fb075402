"""The standard deviation nu of the noise of a step, in the form that keeps its digits.

With h = lambda_t - lambda_s, and kappa = K_t - K_s from ``derivation.stochasticity``,

    data             nu = sigma_t sqrt(-expm1(-2 kappa)),      kappa = eta^2 h for a constant eta
    noise            nu = eta (alpha_t sigma_s/alpha_s) sqrt(-expm1(-2 h))
    any other        nu^2 = R_t^2 int_s^t 2 eta^2 sigma^2/R^2 dlambda,      R with noise

the last by quadrature of a positive rate. The first two are finite where sigma_t = 0 and, for data,
where alpha_s = 0: there h is infinite, and nu = sigma_t.
"""

from sympy import Expr, exp, log, sqrt
from sympy.codegen.cfunctions import expm1

from solvergen.derivation.semilinear import SemilinearODE
from solvergen.errors import EmissionError
from solvergen.scalars.integrals import Integrals
from solvergen.scalars.lengths import H, difference_of
from solvergen.symbols import alpha, alpha_s, eta, sigma, sigma_s


def spread(ode: SemilinearODE, h: Expr | None) -> Expr | None:
    """nu in t, alpha, sigma, s, alpha_s, sigma_s and ``H``; None where it is integrated.

    ``h`` is the form of that length.
    """
    if ode.noise is None or ode.factor is None:
        return None
    data, noise = ode.integrand.data, ode.integrand.noise
    if noise == 0 and ode.noise.is_constant:
        return sigma * sqrt(-expm1(-2 * eta**2 * H))
    if data == 0 and ode.noise.is_constant:
        return eta * alpha * sigma_s / alpha_s * sqrt(-expm1(-2 * H))
    if noise == 0:
        kappa = difference_of(log(sigma / ode.factor), ode.schedule, h)
        return None if kappa is None else sigma * sqrt(-expm1(-2 * kappa))
    return None


def readable(form: Expr) -> Expr:
    """nu as people write it, e^z - 1 for expm1."""
    return form.replace(expm1, lambda z: exp(z) - 1)


def require_closed(ode: SemilinearODE, integrals: Integrals) -> None:
    """Refuse noise of which a module could not compute the steps.

    Raises:
        EmissionError: the damping e^-K has no closed form; or eta is said step by step, and
            something is integrated with it.
    """
    if ode.noise is None:
        return
    if ode.factor is None:
        raise EmissionError(
            f"stochasticity {ode.noise}: K = int eta^2 dlog(alpha/R) has no closed form for "
            f"{ode.integrand.name} on {ode.schedule.name}; expected a constant eta, or for data a "
            "'retention: EXPR' in t, alpha, sigma, which is e^-K itself."
        )
    rates = (integrals.clock, integrals.spread)
    if ode.noise.varies and any(one is not None and one.has(eta) for one in rates):
        raise EmissionError(
            f"stochasticity {ode.noise} is another eta in every step, and with the integrand "
            f"{ode.integrand.name} in this expansion variable integrals depend on eta; expected "
            "data in half_log_snr, or 'eta: NUMBER'."
        )
