"""What runs VMs here and on other systems, by the names that people know."""

from typing import Any

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.provider import PROVEN_ON
from agent_swarm.vm.qemu import probe, programs
from agent_swarm.vm.qemu.hosts import Host, HostSystem, this_host


def survey(layout: Layout, *, again: bool = False) -> list[dict[str, Any]]:
    """One entry per provider: macos, kvm, hyperv; the one of this machine with what its probe boots found."""
    here = this_host()
    found = []
    for system in (HostSystem.MACOS, HostSystem.LINUX, HostSystem.WINDOWS):
        host = Host(system, here.architecture)
        proven = "real guests" if system in PROVEN_ON else "recordings alone"
        entry = {"name": host.provider, "system": system.value, "engine": "qemu", "proven": proven}
        own = _here(layout, host, again=again) if system is here.system else _elsewhere(host)
        found.append({**entry, **own})
    return found


def _elsewhere(host: Host) -> dict[str, Any]:
    return {
        "available": False,
        "accelerator": None,
        "detail": f"on {host.system} alone, with {' or '.join(host.accelerators)}",
    }


def _here(layout: Layout, host: Host, *, again: bool) -> dict[str, Any]:
    try:
        verdicts = probe.judge(layout, host, programs.emulator(host), anew=again)
        programs.image_tool(host)
    except SwarmError as exc:
        return {"available": False, "accelerator": None, "detail": f"{exc.message}; {exc.hint}"}
    best = next((verdict.accelerator.value for verdict in verdicts if verdict.works), None)
    detail = "; ".join(f"{verdict.accelerator}: {verdict.detail}" for verdict in verdicts)
    return {"available": best is not None, "accelerator": best, "detail": detail}
