"""How far agents may introduce agents, and who may start one again. Pure.

Agents form trees: one that a running agent introduces stands below it, for good. What is laid down for one holds for
everything below it: a stop with all below, and how wide a permission profile may be.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent_swarm.domain.errors import CapReached, Conflict, Denied
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.permissions import Profiles


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCaps:
    """At most so many, for what agents introduce. 0 allows nothing; operators are not capped."""

    depth: int = 2  # levels below an agent that nobody introduced
    children: int = 10  # directly below one agent


DEEPEST = 16  # levels for anybody: what goes down a tree does not end otherwise
DEPTH_SETTING = "AGENT_SWARM_MAX_AGENT_DEPTH"
CHILDREN_SETTING = "AGENT_SWARM_MAX_AGENT_CHILDREN"


def require_room(caps: AgentCaps, parent_id: str, *, depth: int, children: int) -> None:
    """Raise CapReached where one more at this depth, beside `children` others below its parent, is too many."""
    if depth > caps.depth:
        raise _cap_reached(
            f"agents may introduce agents {caps.depth} levels deep, and below agent {parent_id!r} it is deeper",
            "depth",
            caps.depth,
            parent_id,
            DEPTH_SETTING,
        )
    if children >= caps.children:
        raise _cap_reached(
            f"an agent may introduce {caps.children} agents, and agent {parent_id!r} has as many below it",
            "children",
            caps.children,
            parent_id,
            CHILDREN_SETTING,
        )


def require_depth(depth: int, parent_id: str) -> None:
    """Raise Conflict for a tree that nobody needs so deep."""
    if depth > DEEPEST:
        raise Conflict(
            f"agent {parent_id!r} is {DEEPEST} levels deep, and nobody may introduce agents below it",
            hint="introduce it further up",
            details={"limit": DEEPEST, "of": parent_id},
        )


def permissions_below(asked: str, above: str, role: AgentRole, above_role: AgentRole, profiles: Profiles) -> str:
    """The name of the permission profile of an agent below another one; empty for what is usual for its role.

    `asked` and `above` are such names. Where nothing is asked for and the usual is wider than the parent's, it is the
    parent's. Raises Denied for a wider one that was asked for.
    """
    own = profiles.granted(None, above, above_role)
    wanted = profiles.granted(None, asked, role)
    if wanted.profile.is_within(own.profile):
        return asked
    if asked:
        raise Denied(
            f"permission profile {asked!r} allows more than that of the agent above, {own.profile.name!r}",
            hint="leave it out, or name a narrower profile",
            details={"profile": asked, "above": own.profile.name},
        )
    return own.profile.name


def lays_down(actor: str, stopped_by: str) -> bool:
    """Whether a stop by `actor` says anything new; `stopped_by` is empty for an agent that works.

    What an agent has stopped becomes a person's stop, so that no agent undoes what a person has laid down.
    """
    return not stopped_by or (stopped_by.startswith("agent:") and not actor.startswith("agent:"))


def may_be_started_by(actor: str, stopped_by: str) -> bool:
    """Whether an agent may undo a stop: never one that a person, or the server, laid down."""
    return not actor.startswith("agent:") or stopped_by.startswith("agent:")


def _cap_reached(message: str, cap: str, limit: int, of: str, setting: str) -> CapReached:
    details: Mapping[str, object] = {"cap": cap, "limit": limit, "of": of, "setting": setting}
    return CapReached(
        message, hint=f"give the work to the agents there are; an operator can raise {setting}", details=dict(details)
    )
