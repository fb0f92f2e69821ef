"""Starts a VM, finds out whether it runs, and ends it. The VM lives on when the command that started it has ended."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent_swarm.vm.errors import EngineFailed, VmError
from agent_swarm.vm.layout import VmPaths
from agent_swarm.vm.machine import Egress, Machine
from agent_swarm.vm.processes import ProcessIdentity, started_with
from agent_swarm.vm.qemu.command_line import CHANNELS, Endpoints, Engine, command_line
from agent_swarm.vm.qemu.endpoints import Endpoint, free_port
from agent_swarm.vm.qemu.hosts import Host
from agent_swarm.vm.qemu.qmp import Qmp, QmpError

_START_SECONDS = 60.0
_END_SECONDS = 10.0
_POLL_SECONDS = 0.02
_ENDPOINTS = "endpoints.json"
_LOG_BYTES = 4096


class Observed(StrEnum):
    """What is the case, whatever the registry says."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVm:
    """A VM that runs, and how to reach it."""

    process: ProcessIdentity
    endpoints: Endpoints


def start(engine: Engine, machine: Machine, paths: VmPaths, sockets: Path) -> RunningVm:
    """Start the VM, which must not run; raises EngineFailed with what QEMU said."""
    endpoints = _new_endpoints(engine.host, machine, sockets)
    _write_endpoints(paths, endpoints)  # before QEMU starts: whoever comes after a crash has to find it
    paths.pid_file.unlink(missing_ok=True)
    paths.process.unlink(missing_ok=True)
    process = _launched(command_line(engine, machine, paths, endpoints), paths.engine_log)
    ProcessIdentity.of(process.pid).write(paths.process)  # before it answers: a crash must leave no stranger
    give_up_at = time.monotonic() + _START_SECONDS
    while (running := _adopted(machine, paths, endpoints)) is None:
        if process.poll() is not None:
            raise EngineFailed(f"QEMU did not start: {last_words(paths.engine_log)}", hint=_WHAT_NOW)
        if time.monotonic() >= give_up_at:
            process.kill()
            process.wait()
            raise EngineFailed(f"QEMU did not start within {_START_SECONDS:.0f} s", hint=_WHAT_NOW)
        time.sleep(_POLL_SECONDS)
    return running


def find(machine: Machine, paths: VmPaths) -> RunningVm | None:
    """The VM where it runs, also one that nobody has written down; None where it does not."""
    endpoints = _read_endpoints(paths)
    if endpoints is None:
        return None
    process = ProcessIdentity.read(paths.process)
    if process is not None and process.is_running():
        return RunningVm(process=process, endpoints=endpoints)
    return _adopted(machine, paths, endpoints)


def observe(machine: Machine, paths: VmPaths) -> Observed:
    """Whether it runs."""
    return Observed.RUNNING if find(machine, paths) else Observed.STOPPED


def end(machine: Machine, paths: VmPaths) -> None:
    """Have QEMU end now, as if the guest's power were cut; nothing where it does not run."""
    running = find(machine, paths)
    if running is not None and not _ends_by_itself(running):
        running.process.kill()
        if not wait_ended(running.process, _END_SECONDS):
            raise VmError(f"QEMU (pid {running.process.pid}) of {machine.vm_id} does not end", hint="end it by hand")
    for stray in started_with(machine.uuid):  # of a command that died before it could write the pid down
        stray.kill()
    forget(paths)


def forget(paths: VmPaths) -> None:
    """Take away what says that the VM runs, and its sockets."""
    endpoints = _read_endpoints(paths)
    for endpoint in [] if endpoints is None else [endpoints.qmp, *endpoints.channels, endpoints.egress]:
        if endpoint is not None and endpoint.path is not None:
            endpoint.path.unlink(missing_ok=True)
    for path in (paths.process, paths.pid_file, paths.folder / _ENDPOINTS):
        path.unlink(missing_ok=True)


def socket_folder_of(paths: VmPaths) -> Path | None:
    """The folder in which a VM that was started has its sockets; None where it has none."""
    endpoints = _read_endpoints(paths)
    return endpoints.qmp.path.parent if endpoints is not None and endpoints.qmp.path is not None else None


def wait_ended(process: ProcessIdentity, seconds: float) -> bool:
    """Wait for a process that is not our child; whether it ended in time."""
    give_up_at = time.monotonic() + seconds
    while process.is_running():
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def last_words(log: Path) -> str:
    """The end of what QEMU said, on one line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            said = file.read().decode("utf-8", "replace").strip()
    except OSError:
        said = ""
    return " / ".join(said.splitlines()[-4:]) or "it said nothing"


_WHAT_NOW = "see what this machine lacks: agent-swarm doctor"


def _ends_by_itself(running: RunningVm) -> bool:
    """Whether QEMU takes the word and ends; a VM that has just been started may not listen yet."""
    try:
        with Qmp.connect(running.endpoints.qmp, timeout=2.0) as qmp:
            qmp.execute("quit")
    except QmpError:
        return not running.process.is_running()
    return wait_ended(running.process, _END_SECONDS)


def _launched(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """QEMU as a process with a life of its own: what ends this command, or its terminal, does not reach it."""
    detached = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with log.open("wb") as said:
        try:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=log.parent,
                start_new_session=True,
                creationflags=detached,
            )
        except OSError as exc:
            raise EngineFailed(f"cannot start {arguments[0]}: {exc.strerror}", hint=_WHAT_NOW) from exc


def _adopted(machine: Machine, paths: VmPaths, endpoints: Endpoints) -> RunningVm | None:
    """The VM, where what answers at its endpoints is this VM; it is then written down."""
    pid = _answering(machine, paths, endpoints)
    if pid is None:
        return None
    process = ProcessIdentity.of(pid)
    process.write(paths.process)
    return RunningVm(process=process, endpoints=endpoints)


def _answering(machine: Machine, paths: VmPaths, endpoints: Endpoints) -> int | None:
    try:
        with Qmp.connect(endpoints.qmp, timeout=5.0) as qmp:
            is_ours = qmp.execute("query-uuid")["UUID"] == machine.uuid
        return int(paths.pid_file.read_text(encoding="ascii")) if is_ours else None
    except (QmpError, OSError, ValueError):
        return None


def _new_endpoints(host: Host, machine: Machine, sockets: Path) -> Endpoints:
    has_list = machine.egress is Egress.ALLOWLIST

    def endpoint(name: str) -> Endpoint:
        return Endpoint(sockets / name) if host.has_unix_sockets else Endpoint(port=free_port())

    return Endpoints(
        qmp=endpoint("qmp"),
        channels=[endpoint(f"channel-{number}") for number in range(CHANNELS)],
        egress=endpoint("egress") if has_list else None,
    )


def _write_endpoints(paths: VmPaths, endpoints: Endpoints) -> None:
    body = {
        "qmp": endpoints.qmp.to_text(),
        "channels": [channel.to_text() for channel in endpoints.channels],
        "egress": endpoints.egress and endpoints.egress.to_text(),
    }
    unfinished = paths.folder / f".{_ENDPOINTS}.{os.getpid()}"
    unfinished.write_text(json.dumps(body), encoding="utf-8")
    unfinished.replace(paths.folder / _ENDPOINTS)


def _read_endpoints(paths: VmPaths) -> Endpoints | None:
    try:
        body = json.loads((paths.folder / _ENDPOINTS).read_text(encoding="utf-8"))
        channels = [Endpoint.from_text(text) for text in body["channels"]]
        egress = body.get("egress")
        return Endpoints(
            qmp=Endpoint.from_text(body["qmp"]),
            channels=channels,
            egress=Endpoint.from_text(egress) if egress else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
