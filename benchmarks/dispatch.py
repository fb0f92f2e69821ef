"""Dispatch latency: a task's POST is written → a waiting worker has read its `claimed` frame, paced 250/s."""

from benchmarks import load, workplace
from benchmarks.figures import percentile
from benchmarks.load.waiting import Waiting
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Serve, agent_swarm, prototype

RATE = 250.0


def measure(scale: Scale) -> list[Row]:
    """With 100 and 1,000 waiting workers; and the prototype, for what this machine gives today."""
    numbers = scale.of((100, 1000), (100,))
    ours = [line for workers in numbers for line in _rows(f"dispatch, {workers:,} waiting workers", workers, scale)]
    bare = _latencies(prototype, numbers[-1], scale)
    name = f"dispatch, {numbers[-1]:,} waiting workers: prototype"
    return [
        *ours,
        row(f"{name} p50", percentile(bare, 0.5), "ms"),
        row(f"{name} p99", percentile(bare, 0.99), "ms"),
    ]


def _rows(name: str, workers: int, scale: Scale) -> list[Row]:
    times = _latencies(agent_swarm, workers, scale)
    return [
        row(f"{name}: p50", percentile(times, 0.5), "ms", at_most(3)),
        row(f"{name}: p99", percentile(times, 0.99), "ms", at_most(15)),
    ]


def _latencies(serve: Serve, workers: int, scale: Scale) -> list[float]:
    with workplace.folder() as folder, serve(folder) as server:
        found = load.run(
            Waiting(
                port=server.port,
                key=server.key,
                pid=server.pid,
                workers=workers,
                rate=RATE,
                seconds=scale.of(8.0, 3.0),
                settle_seconds=1.0,
            )
        )
    if found["unclaimed"] or found["refused"]:
        raise RuntimeError(f"{found['unclaimed']} tasks reached nobody; refused: {found['refused']}")
    times: list[float] = found["milliseconds"]
    return times
