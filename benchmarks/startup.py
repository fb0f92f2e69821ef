"""From the start of `agent-swarm api` to its first 200, on a fresh data directory and on a used one; memory at rest."""

import os
import time
from pathlib import Path

from benchmarks import processes, workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import KEY, agent_swarm, command, until_answered

SECONDS = at_most(1.5)
MEGABYTE = 1_000_000
REST_SECONDS = 3.0


def measure(scale: Scale) -> list[Row]:
    """Medians of a few starts each."""
    times = [_start() for _ in range(scale.of(5, 2))]
    fresh_health, fresh_ready, used_health, used_ready = (median(column) for column in zip(*times, strict=True))
    return [
        row("start → first 200 on /health, fresh data directory", fresh_health, "s", SECONDS),
        row("start → first 200 on /health, used data directory", used_health, "s", SECONDS),
        row("start → first 200 on /ready, fresh data directory", fresh_ready, "s"),
        row("start → first 200 on /ready, used data directory", used_ready, "s"),
        row("memory of the idle server (RSS)", _memory() / MEGABYTE, "MB", at_most(100)),
    ]


def _start() -> tuple[float, float, float, float]:
    """Seconds to /health and to /ready, on a fresh directory and once more on the same."""
    with workplace.folder() as folder:
        return (*_start_in(folder), *_start_in(folder))


def _start_in(folder: Path) -> tuple[float, float]:
    port, log = processes.free_port(), folder.with_suffix(".log")
    since = time.perf_counter()
    try:
        with processes.running(command(port, folder), env={"API_KEY": KEY}, log=log) as process:
            until_answered(process, port, "/health", log)
            healthy = time.perf_counter() - since
            until_answered(process, port, "/ready", log)
            return healthy, time.perf_counter() - since
    finally:
        os.unlink(log)


def _memory() -> int:
    """Bytes, some time after it has become ready."""
    with workplace.folder() as folder, agent_swarm(folder) as server:
        time.sleep(REST_SECONDS)
        return processes.rss(server.pid)
