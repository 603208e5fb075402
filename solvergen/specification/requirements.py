"""What the parts of a specification ask of each other."""

from solvergen.derivation.expansion import Expansion
from solvergen.derivation.parameterization import FLOW, VELOCITY, rate
from solvergen.derivation.stochasticity import Stochasticity
from solvergen.derivation.weights import Weights
from solvergen.errors import DerivationError, SchemeError
from solvergen.methods.scheme import Scheme
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import schemes
from solvergen.symbols import eta, t


def require_requested(
    scheme: Scheme, chosen: Stochasticity | None, parallel: bool, per_sample: bool, hooks: bool
) -> None:
    """Refuse modules that could not do what is requested of them.

    Raises:
        SchemeError: runs of the scheme, or with this noise, are none of a kind that can.
    """
    if parallel:
        require_table(scheme, chosen)
    if per_sample:
        require_runs_of_rows(scheme, parallel, hooks)


def require_table(scheme: Scheme, chosen: Stochasticity | None) -> None:
    """Refuse samples in parallel of runs that are no fixed table.

    Raises:
        SchemeError: an evaluation is repeated to a tolerance, or noise is drawn on the way.
    """
    if scheme.main.iteration is not None:
        raise SchemeError(
            f"parallel: the scheme {schemes.to_text(scheme)} repeats an evaluation to a tolerance, "
            "so that a run is no fixed table; expected a number of iterations"
        )
    if chosen is not None:
        raise SchemeError(
            f"parallel: got the stochasticity {chosen}, whose noise a run draws as it goes, while "
            "sweeps run the same rows again; expected a solver without noise"
        )


def require_runs_of_rows(scheme: Scheme, parallel: bool, hooks: bool) -> None:
    """Refuse a grid for every sample where a run is more than its rows.

    Raises:
        SchemeError: an evaluation is repeated to a tolerance, runs carry a pair of samples, the
            rows of a run are to be asked in parallel, or its data are to be changed.
    """
    text, expected = schemes.to_text(scheme), "expected another scheme"
    if scheme.main.iteration is not None:
        raise SchemeError(
            f"per_sample: the scheme {text} repeats an evaluation to a tolerance, which is one of "
            "a whole batch; expected a number of iterations (adams_moulton:K:M)"
        )
    if scheme.is_reversible:
        raise SchemeError(f"per_sample: the scheme {text} runs pairs of samples; {expected}")
    if parallel:
        raise SchemeError(
            "per_sample and parallel: a window of rows has the times of one grid; expected one of "
            "the two"
        )
    if hooks:
        raise SchemeError(
            "per_sample and hooks: what a prediction says of the data is known by the times of one "
            "grid; expected one of the two"
        )


def require_reversible(weights: Weights, chosen: Stochasticity | None) -> None:
    """Refuse a reversible run that amplifies the rounding of what it carries, or draws noise.

    Raises:
        DerivationError: the integrand is not the flow or the velocity; gamma is infinite at an
            end, where a step of first order would not mirror; or there is noise.
    """
    integrand = weights.ode.integrand
    if integrand not in (FLOW, VELOCITY, rate(-t)):
        raise DerivationError(
            f"the scheme reversible: got the integrand {integrand.name}, along which the distance "
            "of its two samples grows by Phi from step to step, a hundredfold and more over a run; "
            "expected flow (Phi = 1) or velocity (Phi = 1 where alpha^2 + sigma^2 is constant)"
        )
    if weights.reaches_infinity:
        raise DerivationError(
            f"the scheme reversible: got the expansion {weights.expansion.name}, which is infinite "
            "at an end of the domain; expected one that is finite, such as time or theta"
        )
    if chosen is not None:
        raise DerivationError(
            f"the scheme reversible: got the stochasticity {chosen}, and no run back knows its "
            "noise; expected a solver without it"
        )


def require_noise(
    chosen: Stochasticity | None, schedule: NoiseSchedule, scheme: Scheme, expansion: Expansion
) -> None:
    """Refuse noise in steps that are repeated until they stay what they are, and another eta.

    Raises:
        SchemeError: the scheme has an implicit equation that is solved to a tolerance, or reads
            earlier steps between which noise is raised.
        DerivationError: a parameter of the schedule is called eta, or the expansion variable
            depends on it.
    """
    if chosen is None:
        return
    if chosen.raises:
        _require_alone(chosen, scheme)
        chosen.require(schedule)
    if any(symbol.name == "eta" for symbol, _ in schedule.parameters):
        raise DerivationError(
            f"stochasticity {chosen}: the schedule {schedule.name} has a parameter called "
            "eta; expected another name for that."
        )
    if expansion.variable.has(eta):
        raise DerivationError(
            f"stochasticity {chosen}: the expansion variable {expansion.name} depends on eta, "
            "which is a matter of the run; expected half_log_snr, time or another variable."
        )
    if scheme.main.iteration is not None:
        raise SchemeError(
            f"stochasticity {chosen}: the scheme {schemes.to_text(scheme)} repeats an "
            "evaluation to a tolerance, which judges samples without noise; expected a number of "
            "iterations (adams_moulton:K:M), or another scheme."
        )


def _require_alone(chosen: Stochasticity, scheme: Scheme) -> None:
    """Refuse to raise the noise between steps that one method reads.

    Raises:
        SchemeError: the scheme has history.
    """
    if scheme.main.history or scheme.is_reversible:
        raise SchemeError(
            f"stochasticity {chosen}: the scheme {schemes.to_text(scheme)} reads earlier steps, "
            "and the noise that is raised between two of them breaks the path through both; "
            "expected a scheme without history, such as singlestep:K, heun or rk4."
        )
