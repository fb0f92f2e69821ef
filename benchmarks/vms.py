"""VMs: what a clone, its first command, and a command in it cost beside the bare qemu commands doing the same.

The guest is the tiny one of tests, translated, so that figures are alike on every host; without it there are no rows.
"""

import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent_swarm.testing.tiny_guest import build
from agent_swarm.vm import images, inside, layers
from agent_swarm.vm.errors import GuestUnreachable
from agent_swarm.vm.guest.client import Channel
from agent_swarm.vm.guest.frames import Command
from agent_swarm.vm.host import VmHost
from agent_swarm.vm.layout import Layout, VmPaths
from agent_swarm.vm.machine import Machine
from agent_swarm.vm.names import project_ref, task_ref
from agent_swarm.vm.projects import Size, create_project, stop_project
from agent_swarm.vm.provider import QemuProvider
from agent_swarm.vm.qemu import lifecycle, programs
from agent_swarm.vm.qemu.command_line import CHANNELS, Endpoints, Engine, command_line
from agent_swarm.vm.qemu.endpoints import Endpoint
from agent_swarm.vm.qemu.hosts import Accelerator, this_host
from agent_swarm.vm.tasks import create_task, delete_task, ensure_running
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale

GUEST = Path(__file__).parents[1] / "build/tiny-guest"
TRUE = Command(argv=["/bin/true"], env={})


def measure(scale: Scale) -> list[Row]:
    """Clones, boots and commands, each beside the bare one, turn by turn."""
    if not all((GUEST / part).exists() for part in build.PARTS):
        return []
    with workplace.folder() as folder:
        engine = Engine(host=this_host(), accelerator=Accelerator.TCG, program=programs.emulator(this_host()))
        host = VmHost(Layout(folder), lambda: QemuProvider(engine))
        images.take_in(host.layout, GUEST, name="tiny")
        create_project(host, "shop", size=Size(cpus=1, memory_mb=128, disk_gb=0))
        _, generation = stop_project(host, "shop")
        return [
            *_overlays(folder, generation.disk, scale.of(20, 3)),
            *_first_commands(host, engine, generation.disk, scale.of(5, 1)),
            *_round_trips(host, scale.of(200, 20)),
        ]


def _overlays(folder: Path, backing: Path, rounds: int) -> list[Row]:
    paths = VmPaths(folder, folder, folder)
    bare = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing), "-F", "qcow2", str(folder / "bare.qcow2")]
    ours, theirs = _side_by_side(
        rounds, lambda: layers.put_on_top(paths, backing), lambda: subprocess.run(bare, check=True)
    )
    return [
        row("VM: overlay of a clone", ours, "ms", at_most(50), ratio=ours / theirs),
        row("VM: the same by bare qemu-img", theirs, "ms"),
    ]


def _first_commands(host: VmHost, engine: Engine, backing: Path, rounds: int) -> list[Row]:
    def clone() -> None:
        create_task(host, "shop", "fix")
        _run(host)

    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_timed(clone))
        delete_task(host, "fix")
        theirs.append(_bare_boot(host, engine, backing))
    return [
        row(
            "VM: cold clone → first command answered",
            median(ours),
            "ms",
            at_most(4000),
            ratio=median(ours) / median(theirs),
        ),
        row("VM: the same by bare qemu-img and qemu", median(theirs), "ms"),
    ]


def _bare_boot(host: VmHost, engine: Engine, backing: Path) -> float:
    """Overlay, QEMU with the same command line, and a command as soon as the guest answers; nothing written down."""
    ref = task_ref("bare")
    paths, sockets = host.paths(ref), host.layout.socket_folder(ref)
    paths.folder.mkdir(exist_ok=True)
    machine = replace(
        Machine.read(host.paths(project_ref("shop")).config), vm_id=ref.vm_id, uuid=str(uuid.uuid4()), disk=paths.disk
    )
    endpoints = Endpoints(
        qmp=Endpoint(sockets / "qmp"), channels=[Endpoint(sockets / f"channel-{number}") for number in range(CHANNELS)]
    )
    started = time.perf_counter()
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing), "-F", "qcow2", str(paths.disk)]
    subprocess.run(create, check=True)
    with subprocess.Popen(command_line(engine, machine, paths, endpoints), stderr=subprocess.DEVNULL) as qemu:
        try:
            while True:
                try:
                    with Channel.open(endpoints.channels[0], timeout=60) as guest:
                        guest.run(TRUE, stdout=_ignore, stderr=_ignore)
                    return (time.perf_counter() - started) * 1000
                except GuestUnreachable:
                    time.sleep(0.01)
        finally:
            qemu.kill()


def _round_trips(host: VmHost, rounds: int) -> list[Row]:
    create_task(host, "shop", "fix")
    running = ensure_running(host, task_ref("fix"))
    try:
        with Channel.open(running.endpoints.channels[7], timeout=60) as guest:
            ours, theirs = _side_by_side(
                rounds, lambda: _run(host), lambda: guest.run(TRUE, stdout=_ignore, stderr=_ignore)
            )
    finally:
        lifecycle.end(Machine.read(host.paths(task_ref("fix")).config), host.paths(task_ref("fix")))
    return [
        row("VM: /bin/true in a running guest, checks and locks included", ours, "ms", ratio=ours / theirs),
        row("VM: the same on an open channel", theirs, "ms", at_most(30)),
    ]


def _run(host: VmHost) -> None:
    streams = inside.Streams(stdin=(), stdout=_ignore, stderr=_ignore)
    inside.run(host, task_ref("fix"), ["/bin/true"], {}, streams)


def _side_by_side(rounds: int, ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    pairs = [(_timed(ours), _timed(theirs)) for _ in range(rounds)]
    return median([mine for mine, _ in pairs]), median([other for _, other in pairs])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def _ignore(_: bytes) -> None:
    pass
