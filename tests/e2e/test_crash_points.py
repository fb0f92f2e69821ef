"""Every named point is reached, and a process that dies there loses nothing and doubles nothing."""

import ast
import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

import agent_swarm
from agent_swarm import faults
from agent_swarm.faults import BuildPoint, Point
from agent_swarm.testing.faults.carrying_out import carry_out
from agent_swarm.testing.faults.crash import Crash
from agent_swarm.testing.faults.house import new_server_folder
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.puppet import Part
from agent_swarm.testing.faults.schedule import BY_REQUEST, SERVER, SERVER_POINTS, Blow, Hit, Order, Schedule

WORKER = "worker-0"
AT_ONCE = 4 * (os.cpu_count() or 1)
# Points that a run without any other blow does not pass: who is hit how, and the start at which the point is ahead.
AT_LEAVING = {
    Point.SERVER_STOPPING: SERVER,
    Point.NOTARY_TORN: SERVER,
    Point.NOTARY_RECORDED: SERVER,
    Point.WORKER_LEAVING: WORKER,
    Point.RUN_HELD: WORKER,
}
AFTER_KILL = {Point.WORKER_RESCUED, Point.LEFTOVER_ENDED}


def schedule(point: Point, *, stands_still: bool = False) -> Schedule:
    """A few tasks of every fate, and a process that dies, or stands still, at `point`."""
    crash = Crash(point=point, stands_still=stands_still)
    whom = SERVER if point in SERVER_POINTS or point is Point.SCHEMA_CREATING else WORKER
    hits: tuple[Hit, ...] = ()
    if point in AT_LEAVING:
        hits = (Hit(at=0.5, whom=AT_LEAVING[point], blow=Blow.LEAVE, span=0.05),)
    if point in AFTER_KILL:
        hits = (Hit(at=0.5, whom=WORKER, blow=Blow.KILL, span=0.05),)
    return Schedule(
        seed=list(Point).index(point) + (100 if stands_still else 0),
        workers=(WORKER, "worker-1"),
        slots=2,
        tasks=(
            task("long", Part(steps=60, pause=0.05)),
            task("other", Part(steps=60, pause=0.05)),
            task("third", Part(steps=60, pause=0.05)),
            task("flaky", Part(steps=2, fails=1)),
            task("unwanted", Part(steps=200, pause=0.05)),
            task("left", Part(steps=3), after=("unwanted",)),
            task("right", Part(steps=3), after=("unwanted",)),
            task("next", Part(steps=3), after=("long", "flaky")),
        ),
        orders=(Order(at=0.25, verb="cancel", task=4), Order(at=0.1, verb="file", task=0)),
        hits=hits,
        crashes={whom: (None, crash) if point in AFTER_KILL else (crash,)},
        odds={},
    )


def task(ref: str, part: Part, after: tuple[str, ...] = ()) -> dict[str, object]:
    return {"ref": ref, "title": ref, "harness": "noop", "prompt": part.prompt(), "dependsOn": list(after)}


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.timeout(600)
async def test_given_every_point_when_a_process_is_killed_there_then_nothing_is_lost_or_doubled(
    nursery: Nursery, tmp_path: Path
) -> None:
    points = [point for point in Point if point not in BY_REQUEST]
    await check_all([(point, schedule(point)) for point in points], nursery, tmp_path)


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.timeout(600)
async def test_given_points_when_a_process_stands_still_there_then_nothing_is_lost_or_doubled(
    nursery: Nursery, tmp_path: Path
) -> None:
    points = (Point.STORE_DECIDED, Point.POOL_CLAIMED, Point.RUN_COLLECTED, Point.SPOOL_ENDED)
    await check_all([(point, schedule(point, stands_still=True)) for point in points], nursery, tmp_path)


async def check_all(planned: list[tuple[Point, Schedule]], nursery: Nursery, folder: Path) -> None:
    """Several at a time, because they wait most of the time; what is wrong, by point."""
    template = await new_server_folder(nursery, folder / "template")
    places = asyncio.Semaphore(AT_ONCE)

    async def check(point: Point, schedule: Schedule) -> list[str]:
        async with places:
            is_new = point is Point.SCHEMA_CREATING
            report = await carry_out(schedule, nursery, folder / point, None if is_new else template)
            if report.left is not None:
                (found,) = await nursery.audit([report.left], folder / f"{point}.log")
                report.wrong += found
            return [*report.wrong, *([] if report.reached == [point] else [f"reached {report.reached}"])]

    found = await asyncio.gather(*(check(*one) for one in planned))
    assert {point: wrong for (point, _), wrong in zip(planned, found, strict=True) if wrong} == {}


@pytest.mark.slow
def test_given_the_program_then_every_point_stands_in_it_once() -> None:
    used: Counter[str] = Counter()
    for path in Path(agent_swarm.__file__).parent.rglob("*.py"):
        if "testing" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crash_point":
                    used[ast.literal_eval(node.args[0])] += 1
    assert used == dict.fromkeys((point.value for point in (*Point, *BuildPoint)), 1)


def test_given_the_program_then_nothing_but_tests_watches_its_points() -> None:
    watching = [
        path.name
        for path in Path(agent_swarm.__file__).parent.rglob("*.py")
        if "testing" not in path.parts and "faults.watch(" in path.read_text(encoding="utf-8")
    ]
    assert watching == []
    assert faults._watcher is None
