"""Permission profiles: what an agent may do, chosen by the server, enforced where the agent acts.

A profile narrows what a worker's own settings allow, and never widens it. It is enforced by the sandbox and at the tool
call, never by looking at prompts. Which one holds for an attempt: the one its task names, else the one an operator gave
its agent, else the default for the agent's role.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent_swarm.domain.matching import AgentRole


class Files(StrEnum):
    """What of the files it sees an agent may change."""

    READ = "read"  # nothing
    WORKSPACE = "workspace"  # its workspace and its own folders
    WORKER = "worker"  # what the worker's settings allow


class Reach(StrEnum):
    """What of the network an agent gets."""

    OFF = "off"
    ALLOW = "allow"  # what the profile lists
    WORKER = "worker"  # what the worker's settings allow


class Enforces(StrEnum):
    """Capabilities by which a worker says what it can enforce. One that says nothing ignores profiles."""

    FILES = "enforces.files"
    NETWORK = "enforces.network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an agent may do."""

    name: str
    files: Files = Files.WORKSPACE
    network: Reach = Reach.WORKER
    allow: tuple[str, ...] = ()  # hosts, with `network` allow
    denied_tools: tuple[str, ...] = ()  # as the agent CLI names them
    may_file: bool = True  # tasks below its own, where its role may

    @property
    def needs(self) -> frozenset[str]:
        """What a worker has to be able to enforce."""
        needs = set()
        if self.files is not Files.WORKER:
            needs.add(Enforces.FILES.value)
        if self.network is not Reach.WORKER:
            needs |= {Enforces.FILES.value, Enforces.NETWORK.value}  # who writes outside gets others to talk for it
        return frozenset(needs)

    def is_within(self, other: "Profile") -> bool:
        """Whether it allows nothing that `other` does not."""
        return (
            _FILES.index(self.files) <= _FILES.index(other.files)
            and _REACH.index(self.network) <= _REACH.index(other.network)
            and (other.network is not Reach.ALLOW or set(self.allow) <= set(other.allow))
            and set(self.denied_tools) >= set(other.denied_tools)
            and self.may_file <= other.may_file
        )


_FILES, _REACH = tuple(Files), tuple(Reach)  # from narrow to wide

READ_ONLY = Profile(name="read-only", files=Files.READ, may_file=False)
OFFLINE = Profile(name="offline", network=Reach.OFF)
WORKSPACE_WRITE = Profile(name="workspace-write")
FULL = Profile(name="full", files=Files.WORKER)
BUILT_IN: Mapping[str, Profile] = {one.name: one for one in (READ_ONLY, OFFLINE, WORKSPACE_WRITE, FULL)}


@dataclass(frozen=True, slots=True)
class Granted:
    """The profile of an attempt. A required one that cannot be enforced is a reason not to run."""

    profile: Profile
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """All profiles of a server, and the defaults by role; empty defaults leave it at what is usual, as far as a worker
    can enforce it.
    """

    by_name: Mapping[str, Profile] = field(default_factory=lambda: BUILT_IN)
    worker: str = ""
    lead: str = ""

    def granted(self, task: str | None, agent: str, role: AgentRole) -> Granted:
        """The profile of an attempt at a task, by an agent.

        A name that no profile has any more grants the narrowest: what was meant must not become more.
        """
        name = task or agent or {AgentRole.LEAD: self.lead, AgentRole.WORKER: self.worker}.get(role, "")
        if not name:
            return Granted(WORKSPACE_WRITE, is_required=False)
        return Granted(self.by_name.get(name, _narrowest(name)), is_required=True)

    def named(self, name: str) -> Profile | None:
        """The profile with this name."""
        return self.by_name.get(name)


STANDARD = Profiles()


def lacking(profile: Profile, capabilities: Iterable[str]) -> list[str]:
    """What a worker with these capabilities cannot enforce of a profile."""
    return sorted(profile.needs.difference(capabilities))


def _narrowest(name: str) -> Profile:
    return Profile(name=name, files=Files.READ, network=Reach.OFF, may_file=False)
