"""Many schedules, several at a time: most of a schedule's time is waiting."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from agent_swarm.testing.faults.carrying_out import Report, carry_out
from agent_swarm.testing.faults.house import new_server_folder
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.schedule import Schedule

_TOGETHER = 20  # audited by one process


async def carry_out_all(
    schedules: Sequence[Schedule], nursery: Nursery, folder: Path, *, at_once: int
) -> AsyncIterator[Report]:
    """How each went, with what the audit found. What left nothing wrong leaves no files."""
    template = await new_server_folder(nursery, folder / "template")
    left = iter(schedules)
    done: asyncio.Queue[Report] = asyncio.Queue()

    async def one_after_the_other() -> None:
        for schedule in left:
            await done.put(await carry_out(schedule, nursery, folder / str(schedule.seed), template))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(one_after_the_other())
        unaudited: list[Report] = []
        for number in range(1, len(schedules) + 1):
            unaudited.append(await done.get())
            if len(unaudited) == _TOGETHER or number == len(schedules):
                for report in await _audited(unaudited, nursery, folder):
                    yield report
                unaudited = []


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
