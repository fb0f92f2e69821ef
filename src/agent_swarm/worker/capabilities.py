"""What this host can do, found out by trying: the harnesses and sandboxes that work here."""

import platform
from collections.abc import Collection, Mapping, Sequence

import structlog

from agent_swarm.config import SettingError
from agent_swarm.domain.merge_queue import LANDING
from agent_swarm.domain.permissions import Enforces
from agent_swarm.protocol import limits
from agent_swarm.sandbox.base import SandboxCapability, SandboxProvider
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.worker.settings import AUTO, WorkerSettings

log = structlog.get_logger(__name__)

_HOSTS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}


def providers() -> Mapping[str, SandboxProvider]:
    """The kinds of sandbox this version has, by name, the one that isolates most first."""
    return {provider.name: provider for provider in (BubblewrapProvider(on_denied=_tell), ProcessProvider())}


async def usable_provider(
    name: str, known: Mapping[str, SandboxProvider], *, needs: Collection[SandboxCapability] = ()
) -> SandboxProvider:
    """The provider that runs will use; `auto` is the first one that works here and can enforce what runs need.

    Raises SettingError where there is none, or the one that was asked for does not do.
    """
    if name != AUTO and name not in known:
        expected = ", ".join((AUTO, *sorted(known)))
        raise SettingError(f"AGENT_SWARM_SANDBOX: there is no sandbox {name!r}", hint=f"expected one of: {expected}")
    refusal = SettingError("AGENT_SWARM_SANDBOX: this version has no sandbox")
    for provider in known.values() if name == AUTO else (known[name],):
        probe = await provider.probe()
        lacking = sorted(set(needs) - provider.capabilities)
        if probe.usable and not lacking:
            log.info("sandbox", name=provider.name, detail=probe.detail)
            return provider
        why = f"cannot enforce {', '.join(lacking)} here" if probe.usable else "does not work on this host"
        reason = f"sandbox {provider.name!r} {why}" + (f": {probe.detail}" if probe.detail else "")
        refusal = refusal if refusal.hint else SettingError(reason, hint=probe.remedy)
        log.warning("sandbox_unusable", name=provider.name, reason=reason, hint=probe.remedy)
    raise refusal


def offered_by(provider: SandboxProvider) -> tuple[str, ...]:
    """The kinds of sandbox a worker offers with this provider: who asks for plain processes may have more."""
    return tuple(dict.fromkeys((provider.name, ProcessProvider.name)))


def enforced_by(provider: SandboxProvider) -> tuple[str, ...]:
    """What of permission profiles a worker can enforce with this provider."""
    can = provider.capabilities
    isolates = SandboxCapability.FILESYSTEM_ISOLATED in can
    cuts_off = {SandboxCapability.NETWORK_OFF, SandboxCapability.NETWORK_ALLOWLIST} <= can
    return (*((Enforces.FILES.value,) if isolates else ()), *((Enforces.NETWORK.value,) if cuts_off else ()))


def _tell(host: str, port: int, why: str) -> None:
    log.warning("network_denied", host=host, port=port, reason=why)


def advertised(
    settings: WorkerSettings, *, harnesses: Sequence[str], sandboxes: Sequence[str], enforces: Sequence[str] = ()
) -> tuple[str, ...]:
    """All capabilities, each once: `role.*`, `harness.*`, `sandbox.*`, `host.*`, `enforces.*`, `queue.landing`, and
    those the operator adds, which may not say what is enforced.
    """
    host = _HOSTS.get(platform.system(), "other")
    found = [
        f"role.{settings.agent_role}",
        *(f"harness.{name}" for name in harnesses),
        *(f"sandbox.{name}" for name in sandboxes),
        f"host.{host}",
        *enforces,
        LANDING,
        *(one for one in settings.capabilities if not one.startswith("enforces.")),
    ]
    return tuple(dict.fromkeys(found))[: limits.LABELS]
