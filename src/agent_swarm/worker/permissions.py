"""What the server's permission profile means for a run: for its files, its network, and the tools of its agent.

A profile only narrows what the worker's settings allow. A required one that this host or this harness cannot enforce is
refused before anything runs; any other is enforced as far as can be, and the attempt says whether that was all of it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from agent_swarm.harness.base import Grants, PermissionMode, Permissions
from agent_swarm.protocol import pool as wire
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxCapability
from agent_swarm.sandbox.errors import CannotEnforce

AS_SET: wire.Permissions = wire.Permissions(profile="", files="worker")  # by a server that knows no profiles

# What looks and changes nothing that the sandbox does not forbid anyway; everything else is refused at the call.
LOOKING = ("Bash", "BashOutput", "Glob", "Grep", "KillShell", "LS", "NotebookRead", "Read", "Task", "TodoWrite")
ON_THE_WEB = ("WebFetch", "WebSearch")


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a run is held to."""

    asked: wire.Permissions
    is_enforced: bool

    @property
    def is_read_only(self) -> bool:
        """The agent may change nothing."""
        return self.asked.files == "read"


def confinement_of(
    asked: wire.Permissions | None, abilities: Collection[SandboxCapability], grants: Grants, *, harness: str
) -> Confinement:
    """What a run is held to. Raises CannotEnforce where it cannot be held to what is required."""
    asked = asked or AS_SET
    lacking = sorted(_needs(asked).difference(abilities))
    reasons = [f"the sandbox cannot enforce {', '.join(lacking)} on this host"] if lacking else []
    if asked.denied_tools and not grants.enforces_tools:
        reasons.append(f"harness {harness!r} has no tools that could be denied")
    if reasons and asked.required:
        raise CannotEnforce(
            f"permission profile {asked.profile!r} is required for this attempt, and {'; '.join(reasons)}",
            hint="run it on a worker that can: agent-swarm doctor says what this host lacks; or name another profile",
        )
    return Confinement(asked, is_enforced=not reasons)


def network_within(own: Network, asked: wire.Permissions) -> Network:
    """The network of a run: the worker's, or less."""
    if asked.network == "off" or own.mode is NetworkMode.OFF:
        return replace(own, mode=NetworkMode.OFF)
    if asked.network == "allow":
        allowed = asked.allow if own.mode is NetworkMode.ON else tuple(one for one in asked.allow if one in own.allow)
        return replace(own, mode=NetworkMode.ALLOW, allow=allowed)
    return own


def tools_within(own: Permissions, held_to: Confinement) -> Permissions:
    """What the agent may do unasked: what the worker's settings allow, or less."""
    asked = held_to.asked
    denied = tuple(dict.fromkeys((*own.denied_tools, *asked.denied_tools, *(ON_THE_WEB if _is_cut_off(asked) else ()))))
    if not held_to.is_read_only:
        return replace(own, denied_tools=denied)
    may_use = LOOKING + ON_THE_WEB if held_to.is_enforced else tuple(tool for tool in LOOKING if tool != "Bash")
    allowed = may_use if own.mode is PermissionMode.ALL else tuple(t for t in may_use if t in own.allowed_tools)
    mode = PermissionMode.PLAN if own.mode is PermissionMode.PLAN else PermissionMode.ALLOWED
    allowed = allowed or ("Read", "Glob", "Grep")
    return replace(own, mode=mode, allowed_tools=allowed, denied_tools=denied, by_sandbox=held_to.is_enforced)


def _is_cut_off(asked: wire.Permissions) -> bool:
    return asked.network == "off"


def _needs(asked: wire.Permissions) -> frozenset[SandboxCapability]:
    needs = set()
    if asked.files != "worker" or asked.network != "worker":
        needs.add(SandboxCapability.FILESYSTEM_ISOLATED)
    if asked.network == "off":
        needs.add(SandboxCapability.NETWORK_OFF)
    if asked.network == "allow":
        needs.add(SandboxCapability.NETWORK_ALLOWLIST)
    return frozenset(needs)
