"""What this host can do, found out by trying: the harnesses and sandboxes that work here."""

import platform
from collections.abc import Mapping, Sequence

from agent_swarm.config import SettingError
from agent_swarm.protocol import limits
from agent_swarm.sandbox.base import SandboxProvider
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.worker.settings import WorkerSettings

_HOSTS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}


def providers() -> Mapping[str, SandboxProvider]:
    """The kinds of sandbox this version has, by name."""
    return {provider.name: provider for provider in (ProcessProvider(),)}


async def usable_provider(name: str, known: Mapping[str, SandboxProvider]) -> SandboxProvider:
    """The provider that runs will use. Raises SettingError where there is none, or it does not work here."""
    provider = known.get(name)
    if provider is None:
        raise SettingError(
            f"AGENT_SWARM_SANDBOX: there is no sandbox {name!r}", hint=f"expected one of: {', '.join(sorted(known))}"
        )
    probe = await provider.probe()
    if not probe.usable:
        raise SettingError(f"sandbox {name!r} does not work on this host: {probe.detail}", hint=probe.remedy)
    return provider


def advertised(settings: WorkerSettings, *, harnesses: Sequence[str], sandboxes: Sequence[str]) -> tuple[str, ...]:
    """All capabilities, each once: `role.*`, `harness.*`, `sandbox.*`, `host.*`, and those the operator adds."""
    host = _HOSTS.get(platform.system(), "other")
    found = [
        f"role.{settings.agent_role}",
        *(f"harness.{name}" for name in harnesses),
        *(f"sandbox.{name}" for name in sandboxes),
        f"host.{host}",
        *settings.capabilities,
    ]
    return tuple(dict.fromkeys(found))[: limits.LABELS]
