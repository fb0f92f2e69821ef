"""The kill switch: from the request until every process of eleven busy agents is dead, until others are refused."""

import shutil
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent_swarm.sandbox import cgroup, processtree
from agent_swarm.testing import tenacious
from agent_swarm.testing.real_swarm import RealSwarm
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale

AGENTS = 11
PATIENCE = 30.0
LOOK_SECONDS = 0.002


def measure(scale: Scale) -> list[Row]:
    """In each kind of sandbox: real workers, agents with sessions of their own and daemons, deaf to signals."""
    has_cgroups = cgroup.find_home() is not None
    kinds = {"process": 200 if has_cgroups else 500}
    if shutil.which("bwrap"):
        kinds["bubblewrap"] = 500
    rows = []
    for sandbox, limit in kinds.items():
        with workplace.folder() as folder:
            dead, answered, refused = _in(folder, sandbox, rounds=scale.of(5, 2))
        how = f"{AGENTS} agents, {sandbox} sandbox" + (", by cgroup" if limit == 200 else "")
        rows += [
            row(f"kill switch, {how}: every process dead", median(dead), "ms", at_most(limit)),
            row(f"kill switch, {how}: answer", median(answered), "ms"),
            row(f"kill switch, {how}: first refused request", median(refused), "ms"),
        ]
    return rows


def _in(folder: Path, sandbox: str, *, rounds: int) -> tuple[list[float], list[float], list[float]]:
    swarm = RealSwarm(folder / "swarm")
    dead: list[float] = []
    answered: list[float] = []
    refused: list[float] = []
    try:
        swarm.start_server()
        for _ in range(AGENTS):
            swarm.start_worker(variables={"AGENT_SWARM_SANDBOX": sandbox})
        marks = [f"kill-{number}-{folder.name}" for number in range(AGENTS)]
        swarm.file(
            *({"ref": mark, "title": mark, "harness": "shell", "prompt": tenacious.command(mark)} for mark in marks)
        )
        for _ in range(rounds):
            swarm.wait_until(lambda: all(len(tenacious.alive(mark)) >= tenacious.PROCESSES for mark in marks), "busy")
            for times, spent in zip((dead, answered, refused), _kill(swarm, marks), strict=True):
                times.append(1000 * spent)
            swarm.wait_until(lambda: not swarm.call("GET", "/api/kill-switch")["switches"][0]["awaited"], "confirmed")
            swarm.call("POST", "/api/kill-switch", {"action": "lift", "resume": True})
    finally:
        swarm.close()
    return dead, answered, refused


def _kill(swarm: RealSwarm, marks: list[str]) -> tuple[float, float, float]:
    """Seconds from the sending of the request: to the last death, to its answer, to the first refusal of another."""
    pids = {pid for mark in marks for pid in tenacious.alive(mark)}
    with ThreadPoolExecutor(2) as pool:
        since = time.perf_counter()
        killing = pool.submit(_timed, swarm, since)
        asking = pool.submit(_until_refused, swarm, since)
        while (left := [pid for pid in pids if processtree.is_running(pid)]) and time.perf_counter() - since < PATIENCE:
            time.sleep(LOOK_SECONDS)
        dead = time.perf_counter() - since
        answered, refused = killing.result(PATIENCE), asking.result(PATIENCE)
    if left or any(tenacious.alive(mark) for mark in marks):
        raise RuntimeError("a process of a killed run is alive")
    return dead, answered, refused


def _timed(swarm: RealSwarm, since: float) -> float:
    swarm.call("POST", "/api/kill-switch")
    return time.perf_counter() - since


def _until_refused(swarm: RealSwarm, since: float) -> float:
    while time.perf_counter() - since < PATIENCE:
        try:
            swarm.call("PATCH", "/api/tasks/00000000-0000-4000-8000-000000000000", {"priority": 1})
        except urllib.error.HTTPError as exc:
            if exc.code == 503:
                break
    return time.perf_counter() - since
