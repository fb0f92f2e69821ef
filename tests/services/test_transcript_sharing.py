"""Several servers write into one transcript file: each line is there once, whoever had it first."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.services.test_transcripts import NOW, TASK, lines, opened, texts

from agent_swarm import faults
from agent_swarm.faults import Leaving, Point

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 10.0


async def test_given_lines_that_another_server_wrote_since_when_a_worker_goes_on_here_then_none_is_missing_or_doubled(
    tmp_path: Path,
) -> None:
    one, other = opened(tmp_path, is_shared=True), opened(tmp_path, is_shared=True)
    assert await texts(one) == await texts(other) == []
    await one.append(TASK, 1, 0, lines("a", "b"), now=NOW)

    assert await other.append(TASK, 1, 1, lines("b", "c"), now=NOW) == 3
    assert await one.append(TASK, 1, 3, lines("d"), now=NOW) == 4

    assert await texts(opened(tmp_path)) == ["a", "b", "c", "d"]


async def test_given_two_servers_that_are_sent_the_same_at_once_when_one_is_writing_then_the_other_waits(
    tmp_path: Path, meeting: None
) -> None:
    servers = [opened(tmp_path, is_shared=True) for _ in range(2)]
    sent = [f"{number}" for number in range(20)]

    await asyncio.gather(*(server.append(TASK, 1, 0, lines(*sent), now=NOW) for server in servers))

    assert await texts(opened(tmp_path)) == sent


@pytest.fixture
def meeting() -> Iterator[None]:
    """Whoever is about to write does so once another one is, too, or waits for the file's lock."""
    arrived: list[int] = []

    def watch(point: str, _: Leaving | None) -> None:
        if point == Point.TRANSCRIPT_TORN:
            arrived.append(threading.get_ident())
            give_up_at = time.monotonic() + PATIENCE_SECONDS
            while len(arrived) < 2 and not somebody_waits_for_a_lock() and time.monotonic() < give_up_at:
                os.sched_yield()

    faults.watch(watch)
    yield
    faults.watch(None)
    assert arrived


def somebody_waits_for_a_lock() -> bool:
    """A thread of this process waits for a lock of a file."""
    waiting = (line.split() for line in Path("/proc/locks").read_text().splitlines() if "-> FLOCK" in line)
    return any(str(os.getpid()) in line for line in waiting)
