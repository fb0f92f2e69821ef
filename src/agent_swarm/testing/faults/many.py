"""Many schedules, several at a time: most of a schedule's time is waiting."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from agent_swarm.testing.faults.carrying_out import Report, carry_out
from agent_swarm.testing.faults.house import new_server_folder
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.schedule import Schedule

_TOGETHER = 20  # audited by one process


async def carry_out_all(
    schedules: Iterable[Schedule], nursery: Nursery, folder: Path, *, at_once: int
) -> AsyncIterator[Report]:
    """How each went, with what the audit found. What left nothing wrong leaves no files.

    A schedule is asked for when there is somebody to carry it out; those that are under way are waited for.
    """
    template = await new_server_folder(nursery, folder / "template")
    left = iter(schedules)
    done: asyncio.Queue[Report | None] = asyncio.Queue()

    async def one_after_the_other() -> None:
        for schedule in left:
            await done.put(await carry_out(schedule, nursery, folder / str(schedule.seed), template))

    async def all_of_them() -> None:
        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
        await done.put(None)

    async with asyncio.TaskGroup() as group:
        group.create_task(all_of_them())
        unaudited: list[Report] = []
        while (report := await done.get()) is not None:
            unaudited.append(report)
            if len(unaudited) == _TOGETHER:
                for audited in await _audited(unaudited, nursery, folder):
                    yield audited
                unaudited = []
        for audited in await _audited(unaudited, nursery, folder) if unaudited else ():
            yield audited


async def _audited(reports: list[Report], nursery: Nursery, folder: Path) -> list[Report]:
    whole = [report for report in reports if report.left is not None]
    log = folder / f"audit-{reports[0].seed}.log"
    found = await nursery.audit([report.left for report in whole if report.left is not None], log) if whole else []
    for report, wrong in zip(whole, found, strict=True):
        report.wrong += wrong
    for report in reports:
        if not report.wrong:
            shutil.rmtree(folder / str(report.seed))
    return reports
