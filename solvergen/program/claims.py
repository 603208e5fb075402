"""Schemes with a claimed order, and why a claim fails.

The order of a scheme is computed. A claim, ``SCHEME => p`` as text, is checked where it is the
easiest to meet: with Phi = 1 and gamma = q, which is what classical order conditions are stated
for. A main step of order m < p leaves the exact solution at h^(m+1), and the first of these that
fails says why:

    quadrature    dx/dq = q^m/m!     sum_j ell_j r_j^m = 1/(m+1)
    linear        dx/dq = x          the coefficient of h^(m+1) is 1/(m+1)!

(Hairer, Norsett and Wanner 1993, section II.2: the bushy and the tall tree of order m + 1.)
"""

from fractions import Fraction
from math import factorial

from solvergen.errors import SchemeError
from solvergen.methods.scheme import Scheme
from solvergen.program import order, stability
from solvergen.program.lowering import lower
from solvergen.program.program import StepProgram

SEPARATOR = "=>"


def require_order(scheme: Scheme, claim: int) -> Scheme:
    """The scheme, if it has at least the order that is claimed of it.

    Raises:
        SchemeError: it has not; with the condition that fails and its residual, or what the
            start-up or the last steps leave.
    """
    program = lower(scheme)
    report = order.report(program, same_clock=True, no_linear_part=True)
    if report.order >= claim:
        return scheme
    where = f"scheme {scheme.name!r} is claimed to have order {claim}, but has {report}"
    if report.main >= claim:
        raise SchemeError(
            f"{where}. Expected a start-up and last steps of local error O(h^{claim}): see the "
            "policies 'exact' and 'full'."
        )
    raise SchemeError(f"{where}. {failing_condition(program, report.main)}")


def failing_condition(program: StepProgram, m: int) -> str:
    """Which condition of order m + 1 a main step of order m does not meet, and by how much."""
    constants = stability.error_constants(program, m)
    nodes = len(program.main.combines[-1].support)
    if constants.quadrature:
        residual = -factorial(m) * constants.quadrature
        return (
            f"The condition sum_j ell_j r_j^{m} = {Fraction(1, m + 1)} of order {m + 1} has the "
            f"residual {residual}; expected 0: the {nodes} nodes of the last landing do not allow "
            "it."
        )
    if constants.linear:
        return (
            f"For dx/dq = x the coefficient of h^{m + 1} is {Fraction(1, factorial(m + 1))} with a "
            f"residual of {-constants.linear}; expected 0: the stages before the last landing are "
            "not accurate enough."
        )
    return f"A condition of order {m + 1} of nonlinear problems fails: use more accurate stages."
