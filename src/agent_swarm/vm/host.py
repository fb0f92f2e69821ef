"""This machine as it holds VMs: where they lie, what runs them, and how operations on them are carried out safely."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from agent_swarm.vm.journal import Reached, go_on
from agent_swarm.vm.layout import Layout, VmPaths
from agent_swarm.vm.locks import locked
from agent_swarm.vm.names import VmRef
from agent_swarm.vm.provider import QemuProvider, VmProvider
from agent_swarm.vm.qemu import probe
from agent_swarm.vm.qemu.hosts import this_host
from agent_swarm.vm.registry import Registry


@dataclass(frozen=True, slots=True)
class VmHost:
    """Hand it to everything that works on VMs. `provider` is asked for only where a VM has to run."""

    layout: Layout
    provider: Callable[[], VmProvider]
    boot_seconds: float = 300.0  # translated, on a busy machine, a big guest takes minutes
    stop_seconds: float = 30.0
    reached: Reached = field(default=go_on)

    def paths(self, ref: VmRef) -> VmPaths:
        """The files of one VM."""
        return self.layout.of(ref)

    def registry(self) -> Registry:
        """The registry, opened anew; close it by `with`."""
        self.layout.prepare()
        return Registry.open(self.layout.registry)

    @contextmanager
    def locked(self, ref: VmRef, *, wait_seconds: float = 0.0) -> Iterator[Registry]:
        """Have a VM for this command alone, with what an earlier command left half done put right."""
        from agent_swarm.vm.repair import repair

        self.layout.prepare()
        with locked(self.layout, ref, wait_seconds=wait_seconds), self.registry() as registry:
            repair(self, registry, ref)
            yield registry


def this_vm_host(root: Path) -> VmHost:
    """The VMs below `root`, run by the best that works on this machine."""
    layout = Layout(root)

    @cache
    def provider() -> VmProvider:
        return QemuProvider(probe.engine(layout, this_host()))

    return VmHost(layout, provider)
