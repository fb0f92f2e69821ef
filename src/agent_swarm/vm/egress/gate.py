"""The process that is a guest's way out: a proxy by a list of hosts, on the guest's connections.

    python -m agent_swarm.vm.egress.gate ROOT VM_ID

It ends when the VM does. Started by `doorkeeper`, and again by the next command where it was killed.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent_swarm.domain.errors import SwarmError
from agent_swarm.sandbox.allowlist import AllowList
from agent_swarm.sandbox.proxy import Proxy
from agent_swarm.sandbox.relay import Peer
from agent_swarm.vm.egress.doorkeeper import lock_of
from agent_swarm.vm.egress.streams import Streams
from agent_swarm.vm.errors import GuestUnreachable
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import BrokenStream
from agent_swarm.vm.layout import Layout
from agent_swarm.vm.locks import file_locked
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import ref_of
from agent_swarm.vm.qemu import lifecycle

_ANSWER_SECONDS = 5.0
_PAUSE_SECONDS = 0.2


def main(arguments: Sequence[str] = sys.argv[1:]) -> int:
    """Serve the guest until its VM ends; at once where another gate does."""
    root, vm_id = arguments
    layout, ref = Layout(Path(root)), ref_of(vm_id)
    if ref is None:
        return 2
    paths = layout.of(ref)
    try:
        with file_locked(lock_of(paths.folder)) as is_ours:
            if is_ours:
                machine = Machine.read(paths.config)
                while (running := lifecycle.find(machine, paths)) is not None and running.endpoints.egress is not None:
                    try:
                        channel = Channel.open(running.endpoints.egress, timeout=_ANSWER_SECONDS)
                    except GuestUnreachable:
                        time.sleep(_PAUSE_SECONDS)  # it boots, or is just ending
                        continue
                    asyncio.run(_serve(channel, AllowList.of(machine.allow)))
    except SwarmError as exc:
        print(f"{_now()} {exc.message}", flush=True)  # noqa: T201 - it is the log
        return 1
    return 0


async def _serve(channel: Channel, allowed: AllowList) -> None:
    connection, unread = channel.detach()
    connection.setblocking(False)
    guest = Peer(*await asyncio.open_connection(sock=connection))
    proxy = Proxy(allowed, _tell)
    try:
        await Streams(guest, unread, proxy.serve).run()
    except BrokenStream as exc:
        print(f"{_now()} the guest cannot be understood: {exc}", flush=True)  # noqa: T201 - it is the log
    finally:
        proxy.close()
        guest.writer.close()


def _tell(host: str, port: int, why: str) -> None:
    print(f"{_now()} refused {host}:{port}: {why}", flush=True)  # noqa: T201 - it is the log


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    sys.exit(main())
