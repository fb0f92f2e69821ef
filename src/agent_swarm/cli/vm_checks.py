"""What `doctor` finds about VMs: QEMU, what speeds it up, base images, and operations that nobody ended."""

from agent_swarm import config
from agent_swarm.cli.checks import Check
from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm import images
from agent_swarm.vm.errors import EngineMissing
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.qemu import probe, programs
from agent_swarm.vm.qemu.hosts import Accelerator, this_host
from agent_swarm.vm.registry import Registry


def vms() -> list[Check]:
    """Every finding; a machine without QEMU lacks VMs and nothing else, so that is a warning."""
    layout = Layout(config.home())
    return [engine(layout), *base_images(layout), *operations(layout)]


def engine(layout: Layout) -> Check:
    """QEMU is here and boots guests, with hardware to help or without."""
    try:
        programs.image_tool(this_host())
        if not _is_in_use(layout):  # a probe boot takes its time, and who has no VMs need not wait for one
            return Check("vm engine", "ok", f"{programs.emulator(this_host())}, not tried yet: agent-swarm providers")
        found = probe.engine(layout, this_host())
    except EngineMissing as exc:
        return Check("vm engine", "warn", exc.message, f"for VMs: {exc.hint}")
    except SwarmError as exc:
        return Check("vm engine", "fail", exc.message, exc.hint)
    detail = f"{found.program}, {found.accelerator}"
    if found.accelerator is not Accelerator.TCG:
        return Check("vm engine", "ok", detail)
    best = this_host().accelerators[0]
    return Check(
        "vm engine", "warn", detail, f"guests are translated, since {best} does not work: agent-swarm providers"
    )


def _is_in_use(layout: Layout) -> bool:
    return any(place.exists() for place in (layout.verdicts, layout.base_images, layout.registry))


def base_images(layout: Layout) -> list[Check]:
    """There is something to make projects of, and it is what it was. Nothing to say where VMs were never used."""
    if not layout.base_images.is_dir():
        return []
    found = images.listed(layout)
    for image in found:
        try:
            images.verify(image)
        except SwarmError as exc:
            return [Check("base images", "fail", exc.message, exc.hint)]
    if not found:
        return [Check("base images", "warn", "none", "make one: agent-swarm init-base")]
    return [Check("base images", "ok", ", ".join(image.name for image in found))]


def operations(layout: Layout) -> list[Check]:
    """Nothing is half done; what is under way just now shows, too."""
    if not layout.registry.exists():
        return []
    try:
        with Registry.open(layout.registry) as registry:
            left = registry.unfinished()
    except SwarmError as exc:
        return [Check("vm registry", "fail", exc.message, exc.hint)]
    if not left:
        return [Check("vm registry", "ok", str(layout.registry))]
    told = ", ".join(f"{one.kind} {one.vm_id}" for one in left)
    return [Check("vm registry", "warn", f"not ended: {told}", "under way, or put right by: agent-swarm list")]
