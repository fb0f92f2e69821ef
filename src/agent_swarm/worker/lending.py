"""The credentials that one attempt works with, one after another: the next one when a provider refuses the last.

A credential whose limit is reached rests, for everybody on this host, and the attempt goes on with another one.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from agent_swarm.domain.credentials import values_in
from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Grants, Outcome
from agent_swarm.worker.credentials import Credential, CredentialPool, one_of_each

log = structlog.get_logger(__name__)

LIMIT, NOT_KNOWN, OVERLOADED = "rateLimit", "authentication", "overloaded"


class Lending:
    """To one attempt, for one harness with its `grants`, and for the model that it is to work with."""

    def __init__(
        self, pool: CredentialPool, environment: Mapping[str, str], grants: Grants, model: str | None = None
    ) -> None:
        self._pool = pool
        self._environment = environment
        self._variables = grants.credentials
        self._all = pool.found_in(environment, _of_model(grants, model, environment))
        self._left = list(self._all)
        self._lent: Credential | None = None
        self._is_begun = False

    def take(self, *, now: float) -> Mapping[str, str] | None:
        """The environment with the credential to work with; None where none is left, or all rest.

        `now` is the wall clock in seconds, here as below. Who has no credentials here works with what there is, once.
        """
        if not self._all:
            is_first, self._is_begun = not self._is_begun, True
            return one_of_each(self._environment, self._variables) if is_first else None
        self._is_begun = True
        self._lent = self._pool.take(self._left, now=now)
        if self._lent is None:
            return None
        log.info("credential_lent", name=self._lent.name, fingerprint=self._lent.fingerprint)
        return self._lent.alone_in(self._environment, self._variables)

    def heard(self, outcome: Outcome | None, *, now: float) -> str:
        """A run ended so. What to say about the credential, where another one is worth a try; else empty."""
        one = self._lent
        if one is None or outcome is None:
            return ""
        if outcome.ok:
            self._pool.accepted(one)
        if outcome.ok or outcome.failure is not FailureClass.INFRASTRUCTURE:
            return ""
        match outcome.failure_code:
            case "rateLimit":
                until = self._pool.refused(one, LIMIT, retry_at=outcome.retry_at, now=now)
                said = f"the limit of credential {one.name} is reached: it rests until {_shown(until)}"
            case "authentication":
                self._pool.unknown(one, NOT_KNOWN)
                said = f"credential {one.name} is not accepted"
            case _:
                return ""
        log.warning("credential_refused", name=one.name, fingerprint=one.fingerprint, reason=outcome.failure_code)
        self._left.remove(one)
        return said

    def nothing_left(self, last: Outcome | None, *, now: float) -> Outcome:
        """How a run ends for which there is no credential (any more); `last` is what the last one was told.

        As long as one rests it is a limit, whatever became of the others: nobody is to blame.
        """
        awake_at = self._pool.awake_at(self._all, now=now)
        if last is not None and (awake_at is None or len(self._all) < 2):
            return last
        awake_at = now if awake_at is None else awake_at  # it woke up just now
        names = ", ".join(one.name for one in self._all)
        rest = f"no credential is left ({names}); the first one that rests does so until {_shown(awake_at)}"
        message = rest if last is None else f"{last.message}; {rest}"
        failure = FailureClass.INFRASTRUCTURE
        return Outcome(ok=False, failure=failure, failure_code=LIMIT, message=message, retry_at=awake_at)


def first_alone(environment: Mapping[str, str], grants: Grants, model: str | None) -> dict[str, str]:
    """The environment with the first credential for a model, and no other one; whether it rests is not asked."""
    for variable in _of_model(grants, model, environment):
        if values := values_in(variable, environment.get(variable, "")):
            kept = {name: value for name, value in environment.items() if name not in grants.credentials}
            return {**kept, variable: values[0]}
    return one_of_each(environment, grants.credentials)


def _of_model(grants: Grants, model: str | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The variables with the credentials for a model; none where the CLI alone knows whose it is."""
    if not grants.providers:
        return grants.credentials
    provider = (model or "").partition("/")[0]
    if provider in grants.providers:
        return (grants.providers[provider],)
    held = tuple(name for name in grants.credentials if environment.get(name, "").strip())
    return held[:1] if not model or len(held) == 1 else ()


def is_refusal(outcome: Outcome | None) -> bool:
    """Whether an agent of another maker may fare better."""
    is_infrastructure = outcome is not None and outcome.failure is FailureClass.INFRASTRUCTURE
    return outcome is not None and is_infrastructure and outcome.failure_code in (LIMIT, NOT_KNOWN, OVERLOADED)


def soonest(outcomes: list[Outcome]) -> Outcome:
    """How an attempt ends that every agent was refused for: as the first was, until one of them may try again."""
    told = [outcome.retry_at for outcome in outcomes if outcome.retry_at is not None]
    return replace(outcomes[0], retry_at=min(told)) if len(told) == len(outcomes) else outcomes[0]


def _shown(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
