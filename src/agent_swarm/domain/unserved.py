"""Requirement classes that nobody serves: their tasks may run now, and no agent that is online could take them.

A busy agent serves: its slot will be free. Whether anybody does is asked per class, so that a hundred thousand tasks
that wait for the same thing cost no more than one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.matching import AgentProfile, Requirements, serves


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when a class has had nobody, and when that was told; neither where it has somebody."""

    since: int | None = None
    told_at: int | None = None


NO_WAIT = Wait()


def is_served(needs: Requirements, online: Sequence[AgentProfile], addressed: AgentProfile | None) -> bool:
    """Whether an agent that is online could take tasks with these requirements.

    `online` are agents that stand for all that are alike; `addressed` is the one that `needs` names, if it is online.
    """
    if needs.agent_id is not None:
        return addressed is not None and serves(addressed, needs)
    return any(serves(agent, needs) for agent in online)


def next_wait(wait: Wait, *, has_tasks: bool, is_served: bool, now: int, patience: int) -> tuple[Wait, bool]:
    """The wait as it goes on, and whether this is the moment to tell of it: once, after `patience`."""
    if is_served or not has_tasks:
        return NO_WAIT, False
    since = now if wait.since is None else wait.since
    if wait.told_at is None and now - since >= patience:
        return Wait(since, now), True
    return Wait(since, wait.told_at), False
