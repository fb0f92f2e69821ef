"""What people do inside a VM: run commands, copy files in and out. The VM is started where it does not run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agent_swarm.sandbox.gate import PROXY_ENVIRONMENT
from agent_swarm.vm import archives, terminal
from agent_swarm.vm.errors import GuestRefused
from agent_swarm.vm.guest.client import Channel, GuestExit, Sink
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.names import VmRef
from agent_swarm.vm.running import channel
from agent_swarm.vm.tasks import ensure_running

USER: Final = "worker"
_ERROR_BYTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Where a command's input comes from and its output goes to."""

    stdin: Iterable[bytes]
    stdout: Sink
    stderr: Sink


@contextmanager
def guest_of(host: VmHost, ref: VmRef) -> Iterator[Channel]:
    """A channel to the guest of that VM."""
    known = known_as(host, ref)
    with channel(host, known, ensure_running(host, known)) as guest:
        yield guest


def run(host: VmHost, ref: VmRef, argv: Sequence[str], env: Mapping[str, str], streams: Streams) -> GuestExit:
    """Run a command in the guest as its user, with its arguments as they are; how it ended."""
    with guest_of(host, ref) as guest:
        command = Command(argv=argv, env={**way_out_of(host, ref), **env}, user=USER)
        return guest.run(command, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr)


def run_at_terminal(
    host: VmHost, ref: VmRef, argv: Sequence[str], env: Mapping[str, str], streams: Streams
) -> GuestExit:
    """The same with this process's terminal as the command's own; Ctrl-C is then typed there."""
    with guest_of(host, ref) as guest:
        command = Command(
            argv=argv, env={**way_out_of(host, ref), **terminal.kind(), **env}, user=USER, terminal=terminal.size()
        )
        with terminal.handed_over(guest.resize):
            return guest.run(command, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr)


def known_as(host: VmHost, ref: VmRef) -> VmRef:
    """The VM under the name that it was made with, in whatever case it was written; raises UnknownVm."""
    with host.registry() as registry:
        return registry.get(ref).ref


def way_out_of(host: VmHost, ref: VmRef) -> Mapping[str, str]:
    """The variables that tell programs in the guest of its proxy; none where it needs none."""
    machine = Machine.read(host.paths(known_as(host, ref)).config)
    return PROXY_ENVIRONMENT if machine.egress is Egress.ALLOWLIST else {}


def copy_in(host: VmHost, source: Path, ref: VmRef, target: str) -> None:
    """Copy a file or folder into the guest: into `target` where that is a folder, else as `target`."""
    with guest_of(host, ref) as guest:
        folder, name = _place(target, source.name, is_folder=_is_folder(guest, target))
        _ask(guest, ["tar", "-x", "-f", "-", "-C", folder], stdin=archives.packed(source, name))


def copy_out(host: VmHost, ref: VmRef, source: str, target: Path) -> None:
    """Copy a file or folder out of the guest: into `target` where that is a folder, else as `target`."""
    path = PurePosixPath(source)
    folder, name = str(path.parent), path.name or "."
    place = target / name if target.is_dir() else target
    with guest_of(host, ref) as guest, archives.unpacking(place) as unpack:
        _ask(guest, ["tar", "-c", "-f", "-", "-C", folder, "--", name], stdout=unpack)


def _is_folder(guest: Channel, path: str) -> bool:
    command = Command(argv=["test", "-d", path], env={}, user=USER)
    return guest.run(command, stdout=_ignore, stderr=_ignore).code == 0


def _place(target: str, own_name: str, *, is_folder: bool) -> tuple[str, str]:
    if is_folder:
        return target, own_name
    path = PurePosixPath(target)
    return str(path.parent), path.name


def _ask(guest: Channel, argv: Sequence[str], *, stdin: Iterable[bytes] = (), stdout: Sink | None = None) -> None:
    said = bytearray()
    command = Command(argv=argv, env={"LC_ALL": "C"}, user=USER)
    ended = guest.run(command, stdin=stdin, stdout=stdout or _ignore, stderr=said.extend)
    if ended.code != 0:
        text = said[-_ERROR_BYTES:].decode("utf-8", "replace").strip()
        raise GuestRefused(
            f"{argv[0]} in the guest failed: {text}", hint="see whether the path exists, and is worker's"
        )


def _ignore(_: bytes) -> None:
    pass
