"""A page of 50 tasks, and the cancelling of a task that 2,000 others wait for, among 100,000 tasks; over HTTP."""

import asyncio
import time
from urllib.parse import quote

from benchmarks import bulk, load, workplace
from benchmarks.figures import median, percentile
from benchmarks.load.http import Client
from benchmarks.load.requests import Requests
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm

TASKS = 100_000
DEPENDANTS = 2_000
PER_REQUEST = 1_000  # protocol.limits.BATCH_TASKS
PAGE_MS, CANCEL_MS = at_most(10), at_most(200)


def measure(scale: Scale) -> list[Row]:
    """Lists as people ask for them, then cancels of wide and of deep graphs."""
    number = scale.of(TASKS, 10_000)
    with workplace.folder() as folder:
        bulk.make(folder / "agent-swarm-db.sqlite", number, [bulk.Family(10, 0.1)])
        with agent_swarm(folder) as server:
            return [*_pages(server, number, scale), *asyncio.run(_cancels(server, number, scale))]


def _pages(server: Server, number: int, scale: Scale) -> list[Row]:
    lists = {
        "newest": "",
        "ended ones": "&status=completed",
        "pending and running": "&status=pending,running",
        "one label in a thousand": "&tag=rare",
        "a label nobody uses": f"&tag={quote('no such label')}",
        "a label and a status that never meet": "&tag=rare&status=failed,cancelled",
        "an agent and a status it never had": f"&agentId={bulk.AGENT}&status=pending",
        "all but ended ones": "&status=backlog,blocked,pending,offered,claimed,running,paused",
    }
    paths = {what: f"/api/tasks?limit=50{query}" for what, query in lists.items()}
    scenario = Requests(
        port=server.port,
        key=server.key,
        pid=server.pid,
        paths=tuple(paths.values()),
        rounds=scale.of(40, 5),
    )
    times = load.run(scenario)["milliseconds"]
    return [
        row(f"list page of 50 among {number:,} tasks, {what}", median(times[path]), "ms", PAGE_MS)
        for what, path in paths.items()
    ] + [row(f"list page of 50 among {number:,} tasks, newest: p99", percentile(times[paths["newest"]], 0.99), "ms")]


async def _cancels(server: Server, number: int, scale: Scale) -> list[Row]:
    dependants = scale.of(DEPENDANTS, 200)
    found: dict[str, list[float]] = {"side by side": [], "in a chain": []}
    async with Client(server.port, server.key, connections=1) as client:
        for _ in range(scale.of(3, 1)):
            for shape, times in found.items():
                root = (await client.post("/api/tasks", {"prompt": "the root", "backlog": True}))["id"]
                await _hang(client, root, dependants, in_chain=shape == "in a chain")
                since = time.perf_counter()
                await client.post(f"/api/tasks/{root}/cancel", {})
                times.append(1000 * (time.perf_counter() - since))
    return [
        row(f"cancel with {dependants:,} dependants {shape} among {number:,} tasks", median(times), "ms", CANCEL_MS)
        for shape, times in found.items()
    ]


async def _hang(client: Client, root: str, number: int, *, in_chain: bool) -> None:
    """File tasks that wait for `root`, or each for the one before it."""
    last = root
    while number > 0:
        count = min(PER_REQUEST, number)
        number -= count
        tasks = [
            {"prompt": "wait", "ref": f"t{place}", "dependsOn": [f"t{place - 1}" if in_chain and place else last]}
            for place in range(count)
        ]
        reply = await client.post("/api/tasks/batch", {"tasks": tasks})
        last = reply["tasks"][-1]["id"] if in_chain else root
