"""The agent CLIs that may do a task here: the one it is for, and those that go on where that one is refused."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.harness.base import Harness
from agent_swarm.protocol.pool import Claimed
from agent_swarm.sandbox.base import SandboxProvider
from agent_swarm.worker.permissions import Confinement, confinement_of
from agent_swarm.worker.settings import WorkerSettings

log = structlog.get_logger(__name__)


class HarnessUnavailable(SwarmError):
    """The agent CLI that a task asks for cannot run on this host."""

    code = "harnessUnavailable"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of them, and what it is held to. `model` is the task's, for the CLI that the task is for, or the worker's."""

    harness: Harness
    held_to: Confinement
    model: str | None


def names_for(claim: Claimed, settings: WorkerSettings) -> tuple[str, ...]:
    """The harnesses of a claim, the one it is for first. Who names one says which others may go on with it."""
    if claim.harness is None:
        return tuple(dict.fromkeys((settings.harness, *settings.harness_fallback)))
    return tuple(dict.fromkeys((claim.harness, *claim.harness_fallback)))


def candidates(
    claim: Claimed, settings: WorkerSettings, provider: SandboxProvider, find: Callable[[str], Harness]
) -> list[Candidate]:
    """Those that can run here, as the task demands.

    Raises HarnessUnavailable or CannotEnforce where that is not so of the first; the others are passed over.
    """
    found: list[Candidate] = []
    for name in names_for(claim, settings):
        try:
            harness = _harness(name, find)
            held_to = confinement_of(claim.permissions, provider.capabilities, harness.grants, harness=name)
        except SwarmError as exc:
            if not found:
                raise
            log.info("fallback_passed_over", harness=name, reason=exc.message)
            continue
        of_worker = settings.model if name == settings.harness else ""
        found.append(Candidate(harness, held_to, (claim.model if not found else None) or of_worker or None))
    return found


def _harness(name: str, find: Callable[[str], Harness]) -> Harness:
    try:
        harness = find(name)
    except SwarmError as exc:
        raise HarnessUnavailable(exc.message, hint=exc.hint) from exc
    if (missing := harness.available()) is not None:
        raise HarnessUnavailable(f"harness {name!r} cannot run on this host: {missing}")
    return harness
