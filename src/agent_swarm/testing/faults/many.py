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
    places = asyncio.Semaphore(at_once)

    async def one(schedule: Schedule) -> Report:
        async with places:
            return await carry_out(schedule, nursery, folder / str(schedule.seed), template)

    for start in range(0, len(schedules), _TOGETHER * at_once):
        unaudited: list[Report] = []
        for done in asyncio.as_completed(
            [one(schedule) for schedule in schedules[start : start + _TOGETHER * at_once]]
        ):
            unaudited.append(await done)
            if len(unaudited) >= _TOGETHER:
                yield_now, unaudited = unaudited, []
                for report in await _audited(yield_now, nursery, folder):
                    yield report
        for report in await _audited(unaudited, nursery, folder):
            yield report


async def _audited(reports: list[Report], nursery: Nursery, folder: Path) -> list[Report]:
    whole = [report for report in reports if report.left is not None]
    log = folder / f"audit-{reports[0].seed}.log" if reports else folder
    found = await nursery.audit([report.left for report in whole if report.left is not None], log) if whole else []
    for report, wrong in zip(whole, found, strict=True):
        report.wrong += wrong
    for report in reports:
        if not report.wrong:
            shutil.rmtree(folder / str(report.seed))
    return reports
