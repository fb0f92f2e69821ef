"""Schedules that are all due at the same instant: how soon after it their tasks are filed.

They are written into the store before the server is there, and the instant lies in its future, so that nothing else
goes on when it comes. What is filed is seen from outside, in the database.
"""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.schedules import Missed, Overlap, ScheduleStatus, once_rule
from agent_swarm.domain.time import SECOND
from agent_swarm.store.base import Store
from agent_swarm.store.families.schedules import Schedule, ScheduleWork
from agent_swarm.store.opening import open_store
from agent_swarm.store.scheduling import CreateSchedule
from benchmarks import processes, workplace
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm

AT_ONCE = 200  # operations on their way while they are written
ROOM_SECONDS, SECONDS_EACH = 25.0, 0.0015  # from now to the instant: the server's start, and to write one of them
PATIENCE = 120.0
LOOK_SECONDS = 0.02


def measure(scale: Scale) -> list[Row]:
    """Seconds from the instant to the last task, and the server's processor time each."""
    number = scale.of(10_000, 500)
    with workplace.folder() as folder:
        path = folder / "agent-swarm-db.sqlite"
        at = time.time() + ROOM_SECONDS + number * SECONDS_EACH
        asyncio.run(_fill(path, number, round(at * SECOND)))
        with agent_swarm(folder) as server:
            seconds, cpu = _until_all_are_filed(server, path, number, at)
    return [
        row(f"{number:,} schedules due at one instant → all of their tasks are filed", seconds, "s", at_most(10)),
        row("a schedule that is due: server CPU each", 1e6 * cpu / number, "µs"),
    ]


async def _fill(path: Path, number: int, at: int) -> None:
    async with open_store(path) as store:
        for first in range(0, number, AT_ONCE):
            some = range(first, min(number, first + AT_ONCE))
            await asyncio.gather(*(_write(store, f"s{one}", at) for one in some))


async def _write(store: Store, name: str, at: int) -> None:
    new = Schedule(
        id=new_id(),
        name=name,
        description="",
        rule=once_rule(at).stored(),
        missed=Missed.LATEST,
        overlap=Overlap.SKIP,
        max_failures=0,
        max_runs=None,
        until=None,
        status=ScheduleStatus.ACTIVE,
        next_at=at,
        created_by="operator",
    )
    work = ScheduleWork(schedule_id=new.id, starts={"task": {"prompt": "Look at the open alerts.", "title": name}})
    await store.apply(CreateSchedule(schedule=new, work=work))


def _until_all_are_filed(server: Server, path: Path, number: int, at: float) -> tuple[float, float]:
    """Seconds since the instant, and of the server's processor time."""
    if time.time() > at:
        raise RuntimeError("the instant has passed before the server was there")
    time.sleep(max(0.0, at - time.time() - LOOK_SECONDS))
    used = processes.cpu_seconds(server.pid)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        while (found := reader.execute("SELECT count(*) FROM task").fetchone()[0]) < number:
            if time.time() > at + PATIENCE:
                raise RuntimeError(f"{found} of {number} tasks are filed {PATIENCE:.0f} s after the instant")
            time.sleep(LOOK_SECONDS)
    return time.time() - at, processes.cpu_seconds(server.pid) - used
