"""What an agent is told and known as: versions that people and the agent itself write, over what its worker reports.

A field that a version leaves open is as the worker reports it. Capabilities are never more than the worker offers: a
version chooses among them by patterns. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent_swarm.domain.errors import Conflict, Denied, TooLarge
from agent_swarm.domain.matching import capability_matches

INSTRUCTIONS_BYTES = 64 * 1024
OWN_FIELDS = frozenset({"description", "instructions", "skills"})  # what an agent may say of itself
FIELDS = ("name", "role", "description", "skills", "tags", "capabilities", "instructions")
_ALWAYS_OFFERED = "enforces."  # what a worker enforces holds whatever people write


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a version says; None is as the worker reports it."""

    name: str | None = None
    role: str | None = None
    description: str | None = None
    skills: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None  # patterns
    instructions: str = ""

    def changed(self, fields: Mapping[str, Any]) -> "Described":
        """The same with these fields. Raises TooLarge."""
        after = replace(self, **fields)
        size = len(after.instructions.encode("utf-8", "replace"))
        if size > INSTRUCTIONS_BYTES:
            raise TooLarge(
                f"the instructions have {size} bytes, and may have {INSTRUCTIONS_BYTES}",
                hint="shorten them, or point to a note: agent-swarm memory store",
                details={"field": "instructions", "bytes": size, "limit": INSTRUCTIONS_BYTES},
            )
        return after

    def differs_in(self, other: "Described") -> tuple[str, ...]:
        """The fields in which the two differ, in their order."""
        return tuple(name for name in FIELDS if getattr(self, name) != getattr(other, name))


def require_own_fields(fields: Iterable[str]) -> None:
    """Raise Denied for what an agent may not say of itself: by it tasks, and what they may use, are chosen."""
    if denied := sorted(set(fields) - OWN_FIELDS):
        raise Denied(
            f"an agent does not choose its own {', '.join(denied)}",
            hint=f"it may change its {', '.join(sorted(OWN_FIELDS))}; for more ask people: request-human-input",
            details={"fields": denied},
        )


def require_version(agent_id: str, *, current: int, expected: int) -> None:
    """Raise Conflict where somebody else has changed the profile since it was read."""
    if current != expected:
        raise Conflict(
            f"the profile has version {current}, expected {expected}: somebody changed it",
            hint="read it again and decide anew; version 0 is as the worker reports",
            details={"agentId": agent_id, "version": current, "expected": expected},
        )


def chosen_capabilities(patterns: tuple[str, ...] | None, offered: frozenset[str]) -> frozenset[str]:
    """Of what a worker offers that which a version chooses."""
    if patterns is None:
        return offered
    return frozenset(
        one
        for one in offered
        if one.startswith(_ALWAYS_OFFERED) or any(capability_matches(pattern, one) for pattern in patterns)
    )
