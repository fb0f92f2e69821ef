"""What `doctor` finds about sandboxes: which kinds work here, by trying each, and what the others lack."""

import asyncio

from agent_swarm.cli.checks import Check
from agent_swarm.sandbox.base import Probe, SandboxCapability, SandboxProvider
from agent_swarm.worker.capabilities import providers

_ISOLATES = {SandboxCapability.FILESYSTEM_ISOLATED, SandboxCapability.NETWORK_OFF}


def sandboxes() -> list[Check]:
    """One finding per kind. A worker takes the first that works, so none of them is a failure unless all are."""
    return asyncio.run(_probed())


async def _probed() -> list[Check]:
    known = list(providers().values())
    probes = [(provider, await provider.probe()) for provider in known]
    works = any(probe.usable for _, probe in probes)
    return [finding(provider, probe, is_needed=not works) for provider, probe in probes]


def finding(provider: SandboxProvider, probe: Probe, *, is_needed: bool) -> Check:
    """What a probe says, for people."""
    name = f"sandbox {provider.name}"
    if not probe.usable:
        return Check(name, "fail" if is_needed else "warn", probe.detail, probe.remedy)
    is_partly = bool(probe.remedy) and not provider.capabilities >= _ISOLATES
    return Check(name, "warn" if is_partly else "ok", probe.detail, probe.remedy if is_partly else "")
