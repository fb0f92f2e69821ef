"""Sandboxes: what a start costs above a bare child, and how fast a run and all it left behind is dead."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent_swarm.domain.ids import new_id
from agent_swarm.sandbox import cgroup
from agent_swarm.sandbox.base import Launch, Network, NetworkMode, SandboxProvider, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.sandbox.process import ProcessProvider, ProcessSandbox
from agent_swarm.sandbox.supervised import SupervisedProcess
from agent_swarm.testing.lifeline import FAMILY, FAMILY_SIZE, HOLD, Lifeline
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Bound, Row, at_most, row
from benchmarks.scale import Scale

AGENTS = 10
PATH = {"PATH": os.environ.get("PATH", os.defpath)}
SCRIPT = f"{HOLD}{FAMILY}wait"


def measure(scale: Scale) -> list[Row]:
    """Starts, then ends of one run and of ten at once; by cgroup where this host has them, and by walking."""
    return asyncio.run(_measure(scale))


async def _measure(scale: Scale) -> list[Row]:
    rounds = scale.of(15, 3)
    bare, started, whole = [], [], []
    isolated: dict[str, list[float]] = {}
    bubblewrap = BubblewrapProvider()
    modes = [Network(mode=mode) for mode in NetworkMode] if (await bubblewrap.probe()).usable else []
    modes = [network for network in modes if _spec(Path(), network).needs <= bubblewrap.capabilities]
    for _ in range(rounds):
        bare.append(await _timed(_bare))
        start, run = await _supervised(ProcessProvider(), Network())
        started.append(start)
        whole.append(run)
        for network in modes:
            start, _ = await _supervised(bubblewrap, network)
            isolated.setdefault(network.mode.value, []).append(start)
    rows = [
        row("process sandbox: start of a run", median(started), "ms", ratio=median(started) / median(bare)),
        row("process sandbox: a run that ends at once", median(whole), "ms", ratio=median(whole) / median(bare)),
        row("process sandbox: a bare child that ends at once", median(bare), "ms"),
    ]
    for mode, times in isolated.items():
        what = f"bubblewrap sandbox: start of a run, network {mode}"
        rows.append(row(what, median(times), "ms", ratio=median(times) / median(started)))
    ways: list[tuple[str, bool, Bound]] = [("by walking", False, at_most(500))]
    if cgroup.find_home() is not None:
        ways.insert(0, ("by cgroup", True, at_most(200)))
    for way, use_cgroups, bound in ways:
        for runs in (1, AGENTS):
            times = [await _killed(runs, use_cgroups=use_cgroups) for _ in range(scale.of(5, 2))]
            what = f"kill of {runs} run{'s' if runs > 1 else ''} with {FAMILY_SIZE} descendants each, {way}"
            rows.append(row(f"process sandbox: {what}", median(times), "ms", bound))
    return rows


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    since = time.perf_counter()
    await work()
    return 1000 * (time.perf_counter() - since)


async def _bare() -> None:
    process = await asyncio.create_subprocess_exec("true", start_new_session=True)
    await process.wait()


async def _supervised(provider: SandboxProvider, network: Network) -> tuple[float, float]:
    """Milliseconds until the command has its pid, and until nothing is left of it."""
    with workplace.folder() as folder:
        (folder / "state").mkdir()
        sandbox = await provider.open(_spec(folder, network))
        since = time.perf_counter()
        process = await sandbox.start(Launch(argv=("true",), cwd=folder, env=PATH))
        started = time.perf_counter()
        await process.wait()
        ended = time.perf_counter()
        await sandbox.close()
    return 1000 * (started - since), 1000 * (ended - since)


async def _killed(runs: int, *, use_cgroups: bool) -> float:
    """Milliseconds from the order to the death of every process, seen by the pipes they hold."""
    with workplace.folder() as folder:
        folders = [folder / str(number) for number in range(runs)]
        lifelines, processes = [], []
        for one in folders:
            one.mkdir()
            lifelines.append(Lifeline(one))
            processes.append(await _family(one, use_cgroups=use_cgroups))
            await lifelines[-1].heard_from(FAMILY_SIZE)
        spent = await _timed(lambda: asyncio.gather(*(process.kill() for process in processes)))
        for lifeline in lifelines:
            with lifeline:
                if lifeline.is_held():
                    raise RuntimeError("a process of a killed run is alive")
    return spent


async def _family(folder: Path, *, use_cgroups: bool) -> SupervisedProcess:
    sandbox = await _opened(folder, use_cgroups=use_cgroups)
    return await sandbox.start(Launch(argv=("sh", "-c", SCRIPT), cwd=folder, env=PATH))


async def _opened(folder: Path, *, use_cgroups: bool) -> ProcessSandbox:
    state = folder / "state"
    state.mkdir()
    return await ProcessProvider(use_cgroups=use_cgroups).open(_spec(folder, Network()))


def _spec(folder: Path, network: Network) -> SandboxSpec:
    return SandboxSpec(run_id=new_id(), workspace=folder, state_dir=folder / "state", network=network)
