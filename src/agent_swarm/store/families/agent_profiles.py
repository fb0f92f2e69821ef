"""Versions of agents' profiles, and what the workers of those agents report beside them."""

from dataclasses import dataclass, replace

from agent_swarm.domain.agent_profiles import FIELDS, Described, chosen_capabilities
from agent_swarm.store.families.family import Family
from agent_swarm.store.records import AgentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """One version, as it was written. `restored` is the number of the one it repeats."""

    agent_id: str
    number: int
    name: str | None = None
    role: str | None = None
    description: str | None = None
    skills: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    instructions: str = ""
    author: str = ""
    note: str = ""
    made_at: int = 0
    restored: int | None = None

    @property
    def described(self) -> Described:
        """What it says."""
        return Described(**{name: getattr(self, name) for name in FIELDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """What the worker of an agent with a profile reported last."""

    agent_id: str
    name: str
    role: str
    description: str
    skills: tuple[str, ...]
    tags: tuple[str, ...]
    capabilities: tuple[str, ...]


PROFILE_VERSIONS = Family("agent_profile_version", ProfileVersion, key=("agent_id", "number"))
AGENT_REPORTS = Family("agent_report", AgentReport, key=("agent_id",))


def report_of(agent: AgentRecord) -> AgentReport:
    """What a worker says of itself, to be kept beside the profile."""
    profile = agent.profile
    return AgentReport(
        agent_id=profile.id,
        name=agent.name,
        role=profile.role,
        description=agent.description,
        skills=tuple(sorted(profile.skills)),
        tags=tuple(sorted(profile.tags)),
        capabilities=tuple(sorted(profile.capabilities)),
    )


def in_force(agent: AgentRecord, report: AgentReport, said: Described) -> AgentRecord:
    """The agent as it counts: what is said of it, else what its worker reported."""
    profile = replace(
        agent.profile,
        role=report.role if said.role is None else said.role,
        skills=frozenset(report.skills if said.skills is None else said.skills),
        tags=frozenset(report.tags if said.tags is None else said.tags),
        capabilities=chosen_capabilities(said.capabilities, frozenset(report.capabilities)),
    )
    return replace(
        agent,
        profile=profile,
        name=report.name if said.name is None else said.name,
        description=report.description if said.description is None else said.description,
    )
