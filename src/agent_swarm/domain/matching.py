"""Who may run what.

Hard requirements decide: tags the worker must have, capabilities it must offer, the agent a task is pinned to, the
swarm it belongs to, and tags of which one has to fit. Soft
labels (`tags` of the task against skills, tags and role of the agent) only rank the candidates. A task that nobody
matches waits, explained; it never runs somewhere unsuitable.
"""

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

RUNNER_CAPABILITY = "runner.workflow"  # what parts of workflows require that servers carry out by themselves


class AgentRole(StrEnum):
    """Leads coordinate: they take only what is addressed to them. Workers take what they match.

    A runner is a server itself: it takes parts of workflows and nothing else, and nobody else takes those.
    """

    LEAD = "lead"
    WORKER = "worker"
    RUNNER = "runner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The hard part of a task. Tasks with equal requirements share one requirement class."""

    tags: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()  # glob patterns
    agent_id: str | None = None
    swarm_id: str | None = None  # only its agents may run it
    any_tag: frozenset[str] = frozenset()  # one of these is among the skills, the tags and the role of the agent

    def key(self) -> str:
        """Canonical text: equal requirements have equal keys."""
        parts: list[object] = [sorted(self.tags), sorted(self.capabilities), self.agent_id]
        if self.any_tag:
            parts += [self.swarm_id, sorted(self.any_tag)]
        elif self.swarm_id:
            parts += [self.swarm_id]
        return json.dumps(parts, separators=(",", ":"))

    @classmethod
    def from_key(cls, key: str) -> "Requirements":
        """The requirements that `key` was made from."""
        tags, capabilities, agent_id, *more = json.loads(key)
        return cls(
            tags=frozenset(tags),
            capabilities=frozenset(capabilities),
            agent_id=agent_id,
            swarm_id=more[0] if more else None,
            any_tag=frozenset(more[1]) if len(more) > 1 else frozenset(),
        )

    def pinned_to(self, agent_id: str | None) -> "Requirements":
        """The same, for one agent only; unchanged where `agent_id` is None."""
        if agent_id is None:
            return self
        return replace(self, agent_id=agent_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProfile:
    """What an agent is and can do, as far as matching is concerned."""

    id: str
    agent_role: AgentRole = AgentRole.WORKER
    role: str = ""
    tags: frozenset[str] = frozenset()
    capabilities: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    swarm_id: str | None = None

    @property
    def labels(self) -> frozenset[str]:
        """The soft labels that fit it."""
        return self.skills | self.tags | ({self.role} if self.role else set())


@dataclass(frozen=True, slots=True)
class Gap:
    """What keeps an agent from a task; empty when it may run it."""

    missing_tags: tuple[str, ...] = ()
    missing_capabilities: tuple[str, ...] = ()
    other_agent: bool = False  # the task is for another agent
    lead_only_addressed: bool = False  # a lead takes only what is addressed to it
    other_swarm: bool = False  # the task belongs to a swarm, and the agent does not
    wanted_tags: tuple[str, ...] = ()  # of which it has none, and needs one
    runners_only: bool = False  # one of them is a server's own runner, and the other is not for those

    def __bool__(self) -> bool:
        return self.size() > 0

    def size(self) -> int:
        """How far off the agent is, to name the nearest one."""
        missing = len(self.missing_tags) + len(self.missing_capabilities)
        others = self.other_agent + self.lead_only_addressed + self.other_swarm + self.runners_only
        return missing + others + bool(self.wanted_tags)


def gap(agent: AgentProfile, needs: Requirements) -> Gap:
    """What `agent` lacks for `needs` (tags ⊆ tags, every pattern matched, pinned agent, the swarm)."""
    return Gap(
        missing_tags=tuple(sorted(needs.tags - agent.tags)),
        missing_capabilities=tuple(
            pattern
            for pattern in sorted(needs.capabilities)
            if not any(capability_matches(pattern, offered) for offered in agent.capabilities)
        ),
        other_agent=needs.agent_id is not None and needs.agent_id != agent.id,
        lead_only_addressed=agent.agent_role is AgentRole.LEAD and needs.agent_id is None,
        other_swarm=needs.swarm_id is not None and needs.swarm_id != agent.swarm_id,
        wanted_tags=tuple(sorted(needs.any_tag)) if needs.any_tag.isdisjoint(agent.labels) else (),
        runners_only=(agent.agent_role is AgentRole.RUNNER) is not (RUNNER_CAPABILITY in needs.capabilities),
    )


def serves(agent: AgentProfile, needs: Requirements) -> bool:
    """Whether `agent` may run a task with these hard requirements."""
    return not gap(agent, needs)


def capability_matches(pattern: str, capability: str) -> bool:
    """`harness.*` matches `harness.codex`: `*` stands for characters of one segment, a last `**` for the rest."""
    return _compiled(pattern).fullmatch(capability) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    head, rest = (pattern[:-2], ".+") if pattern == "**" or pattern.endswith(".**") else (pattern, "")
    return re.compile("".join("[^.]+" if char == "*" else re.escape(char) for char in head) + rest)
