"""The phi functions of exponential integrators.

    phi_0(z) = e^z,    phi_(k+1)(z) = int_0^1 e^((1-u) z) u^k/k! du = (phi_k(z) - 1/k!)/z

(Hochbruck and Ostermann 2010, Acta Numerica 19, 209). If dq/dgamma is a multiple of e^(rho gamma)
then, with H = gamma_t - gamma_s and u = theta,

    mu_k = int_0^1 e^(rho H u) u^k du / int_0^1 e^(rho H u) du = k! phi_(k+1)(-rho H)/phi_1(-rho H),
    I_k  = (b/gamma')(t) H^(k+1) phi_(k+1)(-rho H).
"""

from typing import Any

from sympy import Add, Expr, Function, Integer, Rational, exp, expand, factorial


class phi(Function):  # noqa: N801 - as sympy names its functions
    """phi(k, z) = phi_k(z), for an integer k >= 0."""

    nargs = (2,)

    @classmethod
    def eval(cls, k: Expr, z: Expr) -> Expr | None:
        """phi_0 = exp; phi_k(0) = 1/k!."""
        if k == 0:
            return exp(z)
        return Rational(1, factorial(k)) if z == 0 else None

    def fdiff(self, argindex: int = 2) -> Expr:
        """phi_k' = phi_k + (1/(k-1)! - k phi_k)/z, from z phi_k = phi_(k-1) - 1/(k-1)!."""
        k, z = self.args
        return self + (Rational(1, factorial(k - 1)) - k * self) / z

    def _eval_rewrite_as_exp(self, k: Expr, z: Expr, **kwargs: Any) -> Expr:
        """(e^z - sum_(j<k) z^j/j!)/z^k."""
        head = Add(*(z**j / factorial(j) for j in range(int(k))))
        return (exp(z) - head) / z**k

    def _sympystr(self, printer: Any) -> str:
        k, z = self.args
        return f"phi_{k}({printer.doprint(z)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        k, z = self.args
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\varphi_{{{k}}}{power}\left({printer.doprint(z)}\right)"


def elementary(expression: Expr) -> Expr:
    """The same with every phi function in exponentials."""
    return expression.replace(phi, lambda k, z: phi(k, z).rewrite(exp) if k != 0 else exp(z))


def in_exponentials(product: Expr) -> Expr:
    """A product of powers and phi functions, each z^k phi_k(z) written out as e^z - sum z^j/j!."""
    for call in product.atoms(phi):
        k, z = call.args
        product = product.subs(call, expand(elementary(call) * z**k) / z**k)
    return product


def exponential_moment(k: int, z: Expr) -> Expr:
    """mu_k = k! phi_(k+1)(z)/phi_1(z)."""
    return factorial(k) * phi(Integer(k + 1), z) / phi(Integer(1), z)
