"""Standard input and output as a connection to a port in a VM: what ssh is told to use as its ProxyCommand.

    python -m agent_swarm.vm.bridge ROOT VM_ID PORT

So SSH needs no network, no address and no forwarded port: it rides on the guest agent's channel.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm.errors import GuestUnreachable, UnknownVm
from agent_swarm.vm.guest.client import chunks_of
from agent_swarm.vm.host import this_vm_host
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import ref_of
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.running import channel


def main(arguments: Sequence[str] = sys.argv[1:]) -> int:
    """Pass bytes both ways until the guest closes the connection; 1 where there is none to be had."""
    root, vm_id, port = arguments
    try:
        pass_bytes(Path(root), vm_id, int(port))
    except SwarmError as exc:
        print(f"agent-swarm: {exc.message}", file=sys.stderr)  # noqa: T201 - ssh shows it to people
        return 1
    return 0


def pass_bytes(root: Path, vm_id: str, port: int) -> None:
    """The bytes of this process's standard streams, to the port of a VM that runs. Raises what channels raise."""
    host, ref = this_vm_host(root), ref_of(vm_id)
    if ref is None:
        raise UnknownVm(f"{vm_id!r} is no VM")
    running = lifecycle.find(Machine.read(host.paths(ref).config), host.paths(ref))
    if running is None:
        raise GuestUnreachable(f"{ref} does not run", hint="start it first")

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    with channel(host, ref, running) as guest:
        guest.connect(port, stdin=chunks_of(sys.stdin.buffer), stdout=write)


if __name__ == "__main__":
    sys.exit(main())
