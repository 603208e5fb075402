"""The standard deviation nu of the noise of a step, in the form that keeps its digits.

With h = lambda_t - lambda_s, and kappa = K_t - K_s from ``derivation.stochasticity``,

    data             nu = sigma_t sqrt(-expm1(-2 kappa)),      kappa = eta^2 h for a constant eta
    noise            nu = eta (alpha_t sigma_s/alpha_s) sqrt(-expm1(-2 h))
    any other        nu^2 = R_t^2 int_s^t 2 eta^2 sigma^2/R^2 dlambda,      R with noise

the last by quadrature of a positive rate. The first two are finite where sigma_t = 0 and, for data,
where alpha_s = 0: there h is infinite, and nu = sigma_t. Where K has no closed form kappa is the
integral of dK/dlambda over the step, Phi = (R_t/R_s) e^-kappa with R that without noise, and what
is integrated for nu has e^-2kappa from each place to t as a factor.
"""

from sympy import Expr, exp, sqrt
from sympy.codegen.cfunctions import expm1

from solvergen.derivation.semilinear import SemilinearODE, at_start
from solvergen.errors import EmissionError
from solvergen.scalars.integrals import Integrals
from solvergen.scalars.lengths import KAPPA, H, half_log_snr_length, kappa_of
from solvergen.symbols import alpha, alpha_s, eta, sigma, sigma_s


def spread(ode: SemilinearODE, h: Expr | None) -> Expr | None:
    """nu in t, alpha, sigma, s, alpha_s, sigma_s and ``H``; None where it is integrated.

    ``h`` is the form of that length.
    """
    if ode.noise is None:
        return None
    data, noise = ode.integrand.data, ode.integrand.noise
    kappa = kappa_of(ode, h)
    if kappa is not None:
        return sigma * sqrt(-expm1(-2 * kappa))
    if ode.factor is None:
        return None
    if noise == 0 and ode.noise.is_constant:
        return sigma * sqrt(-expm1(-2 * eta**2 * H))
    if data == 0 and ode.noise.is_constant:
        return eta * alpha * sigma_s / alpha_s * sqrt(-expm1(-2 * H))
    return None


def integrating_factor(ode: SemilinearODE) -> Expr | None:
    """Phi in the same symbols, and ``KAPPA`` where K has no closed form; None where R has none."""
    if kappa_of(ode, half_log_snr_length(ode.schedule.without(eta))) == KAPPA:
        return sigma / sigma_s * exp(-KAPPA)
    if ode.base is None:
        return ode.general_integrating_factor
    return ode.base / at_start(ode.base) * exp(-KAPPA)


def readable(form: Expr) -> Expr:
    """nu as people write it, e^z - 1 for expm1."""
    return form.replace(expm1, lambda z: exp(z) - 1)


def require_one_eta(ode: SemilinearODE, integrals: Integrals) -> None:
    """Refuse noise of which a module could not compute the steps.

    Raises:
        EmissionError: eta is said step by step, and something is integrated with it.
    """
    if ode.noise is None:
        return
    rates = (integrals.clock, integrals.spread, integrals.damping)
    if ode.noise.varies and any(one is not None and one.has(eta) for one in rates):
        raise EmissionError(
            f"stochasticity {ode.noise} is another eta in every step, and with the integrand "
            f"{ode.integrand.name} in this expansion variable integrals depend on eta; expected "
            "data in half_log_snr, or 'eta: NUMBER'."
        )
