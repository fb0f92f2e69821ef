"""Random schedules of faults lose nothing and double nothing.

`SWARM_SCHEDULES` sets how many are tried, in `SWARM_SCHEDULE_SECONDS` at most; `SWARM_SEED` does one again.
"""

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from agent_swarm.testing.faults.many import carry_out_all
from agent_swarm.testing.faults.nursery import Nursery
from agent_swarm.testing.faults.schedule import Schedule, schedule_of

SCHEDULES = int(os.environ.get("SWARM_SCHEDULES", "2000"))
SECONDS = float(os.environ.get("SWARM_SCHEDULE_SECONDS", "360"))  # a slow machine does fewer, and says how many
FEWEST = 300  # of those that are asked for
WITH_CHILDREN = max(1, SCHEDULES // 20)  # besides; their agents are processes
AT_ONCE = 9 * (os.cpu_count() or 1)  # a schedule spends most of its time waiting
ONE = os.environ.get("SWARM_SEED")
AGAIN = "SWARM_SEED={} .venv/bin/python -m pytest tests/e2e/test_fault_schedules.py"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.anyio
@pytest.mark.timeout(2400)
async def test_given_a_schedule_of_faults_when_they_are_over_then_nothing_is_lost_or_doubled(
    nursery: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = seeds_of(SCHEDULES)
    schedules = in_time(schedule_of(seed) for seed in seeds)
    with capsys.disabled():
        tried = await carry_out_and_check(seeds, schedules, nursery, tmp_path)
    assert tried >= min(len(seeds), FEWEST), "the machine is too slow for this test"


def seeds_of(number: int) -> range:
    """So many, or the one that was asked for."""
    return range(number) if ONE is None else range(int(ONE), int(ONE) + 1)


def in_time(schedules: Iterable[Schedule]) -> Iterator[Schedule]:
    """As many of them as there is time for."""
    until = time.monotonic() + SECONDS
    for schedule in schedules:
        if time.monotonic() > until:
            return
        yield schedule


async def carry_out_and_check(seeds: range, schedules: Iterable[Schedule], nursery: Nursery, folder: Path) -> int:
    """Answers how many there were, and says it: a machine that tried fewer than were asked for must not hide that."""
    wrong: list[str] = []
    points: Counter[str] = Counter()
    faults = tried = 0
    async for report in carry_out_all(schedules, nursery, folder, at_once=AT_ONCE):
        tried += 1
        points.update(report.reached)
        faults += report.faults
        if report.wrong:
            wrong.append(f"seed {report.seed}, again: {AGAIN.format(report.seed)}\n" + "\n".join(report.wrong))
    about = f"{tried} schedules, {points.total()} crashes at {len(points)} points, {faults} faults on the way"
    print(f"\nseeds {seeds.start} to {seeds.stop - 1}: {about}")  # noqa: T201 - in the record of every run
    assert not wrong, f"{len(wrong)} of {tried} schedules\n" + "\n\n".join(wrong[:3])
    return tried


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.anyio
@pytest.mark.timeout(2400)
async def test_given_a_schedule_with_agents_that_are_processes_when_it_is_over_then_nothing_is_lost_or_doubled(
    nursery: Nursery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = seeds_of(WITH_CHILDREN)
    schedules = [schedule_of(seed, with_children=True) for seed in seeds]
    with capsys.disabled():
        assert await carry_out_and_check(seeds, schedules, nursery, tmp_path) == len(seeds)


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_given_a_seed_when_a_schedule_is_made_up_again_then_it_is_the_same(seed: int) -> None:
    assert schedule_of(seed) == schedule_of(seed)
    assert schedule_of(seed) != schedule_of(seed + 1)
