"""Ten thousand connected workers on one process: what each costs, and whether dispatch stays quick."""

import resource

from benchmarks import load, workplace
from benchmarks.figures import percentile
from benchmarks.load.waiting import Waiting
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import agent_swarm

WORKERS = 10_000
OTHER_FILES = 500  # what a process opens besides its connections
RATE = 100.0


def measure(scale: Scale) -> list[Row]:
    """As many as the limit of open files allows; every worker renews by heartbeat, as real ones do."""
    number = min(scale.of(WORKERS, 1_000), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES)
    with workplace.folder() as folder, agent_swarm(folder) as server:
        found = load.run(
            Waiting(
                port=server.port,
                key=server.key,
                pid=server.pid,
                workers=number,
                rate=RATE,
                seconds=scale.of(8.0, 3.0),
                settle_seconds=scale.of(6.0, 2.0),
            )
        )
    if found["unclaimed"] or found["refused"]:
        raise RuntimeError(f"{found['unclaimed']} tasks reached nobody; refused: {found['refused']}")
    each = (found["rssConnected"] - found["rssBefore"]) / number / 1024
    times, name = found["milliseconds"], f"{number:,} connected workers"
    return [
        row(f"{name}: memory each above the idle server", each, "KiB", at_most(40)),
        row(f"{name}: task created → received, p50", percentile(times, 0.5), "ms", at_most(3)),
        row(f"{name}: task created → received, p99", percentile(times, 0.99), "ms"),
        row(f"{name}: processor for their heartbeats", 100 * found["idleCpuShare"], "%"),
        row(f"{name}: registered", number / found["registerSeconds"], "/s"),
        row(f"{name}: connected", number / found["connectSeconds"], "/s"),
    ]
