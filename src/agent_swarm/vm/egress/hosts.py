"""Which hosts a guest may reach where it may not reach all. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.vm.machine import Egress

ALWAYS: Final = ("api.anthropic.com",)  # the model of the agent that the default setup installs


@dataclass(frozen=True, slots=True)
class Reach:
    """What a guest may connect to; hosts where `egress` is a list."""

    egress: Egress
    hosts: tuple[str, ...] = ()


def reach_of(egress: Egress, allow: Sequence[str]) -> Reach:
    """What a guest may connect to: where it is a list, what it always reaches, and `allow`. Raises InvalidInput."""
    if egress is not Egress.ALLOWLIST:
        if allow:
            raise InvalidInput(f"hosts are listed, and egress is {egress}", hint="leave out --allow, or --egress")
        return Reach(egress)
    for entry in allow:
        try:
            AllowList.of([entry])
        except ValueError:
            raise InvalidInput(
                f"{entry!r} is no entry of a list of hosts",
                hint="write host, host:port, *.domain or *.domain:port",
            ) from None
    return Reach(egress, tuple(dict.fromkeys((*ALWAYS, *allow))))
