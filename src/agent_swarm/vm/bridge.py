"""Standard input and output as a connection to an sshd in a VM: what ssh is told to use as its ProxyCommand.

    python -m agent_swarm.vm.bridge ROOT VM_ID [--lend-editor] [VARIABLE…]

So SSH needs no network, no address and no forwarded port: it rides on the guest agent's channel. The sshd is started
by the agent for this one connection. Variables come with ssh under names with a prefix, and get their own here. With
--lend-editor the session may have this host's editor opened, as long as it lasts.
"""

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vm.errors import GuestUnreachable, UnknownVm
from agent_swarm.vm.guest.client import Sink, chunks_of
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost, this_vm_host
from agent_swarm.vm.lent_editor import Listener, Request, Way, open_for_guest, tell
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import VmRef, ref_of
from agent_swarm.vm.qemu import lifecycle
from agent_swarm.vm.qemu.lifecycle import RunningVm
from agent_swarm.vm.running import channel
from agent_swarm.vm.ssh import LEND_EDITOR, VARIABLE_PREFIX

# sshd wants to be called by its whole path, and to find this folder.
_SSHD = 'mkdir -p /run/sshd && chmod 755 /run/sshd && exec /usr/sbin/sshd -i "$@"'


def main(arguments: Sequence[str] = sys.argv[1:]) -> int:
    """Pass bytes both ways until the guest closes the connection; 1 where there is none to be had."""
    root, vm_id, *variables = arguments
    lends_editor = variables[:1] == [LEND_EDITOR]
    try:
        return pass_bytes(Path(root), vm_id, variables[lends_editor:], lends_editor=lends_editor)
    except SwarmError as exc:
        print(f"agent-swarm: {exc.message}", file=sys.stderr)  # noqa: T201 - ssh shows it to people
        return 1


def session_options(variables: Sequence[str], way: Way | None = None) -> list[str]:
    """What sshd is told besides what the guest's own configuration says; `way`: how the session asks for the editor."""
    if not variables and way is None:
        return []
    exports = [f'export {name}="${VARIABLE_PREFIX}{name}"; unset {VARIABLE_PREFIX}{name}' for name in variables]
    first = "; ".join([*exports, *([way.exports] if way else [])])
    command = 'if [ -n "$SSH_ORIGINAL_COMMAND" ]; then exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"; fi; exec "$SHELL" -l'
    forced = f"exec /bin/sh -c {shlex.quote(f'{first}; {command}')}"
    return ["-o", f"AcceptEnv={VARIABLE_PREFIX}*", "-o", f"ForceCommand={forced}"]


def pass_bytes(root: Path, vm_id: str, variables: Sequence[str], *, lends_editor: bool) -> int:
    """The bytes of this process's standard streams, to an sshd in a VM that runs; how that ended.

    Raises what channels raise.
    """
    host, ref = this_vm_host(root), ref_of(vm_id)
    if ref is None:
        raise UnknownVm(f"{vm_id!r} is no VM")
    running = lifecycle.find(Machine.read(host.paths(ref).config), host.paths(ref))
    if running is None:
        raise GuestUnreachable(f"{ref} does not run", hint="start it first")

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def complain(data: bytes) -> None:
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()

    if not lends_editor:
        command = Command(argv=["sh", "-c", _SSHD, "sh", *session_options(variables)], env={})
        return _converse(host, ref, running, command, write, complain)
    way, listener = Way.new(), Listener(partial(_open_editor, host, ref, running), complain)
    try:
        command = way.command(session_options(variables, way))
        return _converse(host, ref, running, command, write, listener.take)
    finally:
        listener.finish()


def _converse(host: VmHost, ref: VmRef, running: RunningVm, command: Command, out: Sink, errors: Sink) -> int:
    with channel(host, ref, running) as guest:
        return guest.run(command, stdin=chunks_of(sys.stdin.buffer), stdout=out, stderr=errors).code


def _open_editor(host: VmHost, ref: VmRef, running: RunningVm, request: Request) -> None:
    answer = open_for_guest(host, ref, request.path)
    with suppress(SwarmError), channel(host, ref, running) as guest:
        tell(guest, request, answer)


if __name__ == "__main__":
    sys.exit(main())
