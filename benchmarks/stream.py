"""Events to a thousand SSE clients: how many deliveries a second, and how late.

A delivery is one event at one client; its time begins with the POST that causes the event.
"""

from benchmarks import load, workplace
from benchmarks.figures import percentile
from benchmarks.load.followers import Followers
from benchmarks.report import Row, at_least, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import agent_swarm

CLIENTS = 1_000
STEADY, FLOOD = 120.0, 300.0  # events per second: just above the bound, and as in the study


def measure(scale: Scale) -> list[Row]:
    """At a rate just above the bound, then at more than twice as much."""
    clients = scale.of(CLIENTS, 100)
    rows: list[Row] = []
    for rate in (STEADY, FLOOD):
        with workplace.folder() as folder, agent_swarm(folder) as server:
            found = load.run(
                Followers(
                    port=server.port,
                    key=server.key,
                    pid=server.pid,
                    clients=clients,
                    rate=rate,
                    seconds=scale.of(6.0, 3.0),
                )
            )
        times, name = found["milliseconds"], f"{rate:g} events/s to {clients:,} SSE clients"
        rate_bound = at_least(100_000) if clients == CLIENTS and rate == STEADY else None
        rows += [
            row(f"{name}: deliveries", found["deliveredPerSecond"], "/s", rate_bound),
            row(f"{name}: p50", percentile(times, 0.5), "ms"),
            row(f"{name}: p99", percentile(times, 0.99), "ms", at_most(200) if rate == STEADY else None),
            row(f"{name}: not delivered", found["missing"], "events", at_most(0)),
            row(f"{name}: server CPU per delivery", found["cpuMicros"], "µs"),
        ]
    return rows
