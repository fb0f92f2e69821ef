"""A real worker with real processes: how soon a filed task runs, and how soon a cancelled one is dead.

The agent is a shell that says its pid and sleeps. Both ends are seen from outside: by the file it writes, and by its
absence from /proc.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from agent_swarm.sandbox.processtree import is_running
from benchmarks import processes, workplace
from benchmarks.figures import median
from benchmarks.load.http import Client
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale
from benchmarks.server import Server, agent_swarm

PATIENCE = 20.0
LOOK_SECONDS = 0.0005


def measure(scale: Scale) -> list[Row]:
    """Medians over a few tasks, one after the other."""
    with workplace.folder() as folder, agent_swarm(folder / "server") as server:
        argv = [str(processes.COMMAND), "worker", "--harness", "shell", "--workers-dir", str(folder / "workers")]
        env = {"AGENT_SWARM_URL": f"http://127.0.0.1:{server.port}", "API_KEY": server.key, "HOME": str(folder)}
        with processes.running(argv, env=env, log=folder / "worker.log"):
            times = asyncio.run(_lives(server, folder, scale.of(12, 3)))
    started, ended = (median(column) for column in zip(*times, strict=True))
    return [
        row("task filed → its process runs, real worker", started, "ms"),
        row("cancel → its process is dead, real worker", ended, "ms", at_most(100)),
    ]


async def _lives(server: Server, folder: Path, number: int) -> list[tuple[float, float]]:
    """Milliseconds to the start and to the end of each; the first one, which waits for the worker, is not counted."""
    async with Client(server.port, server.key, connections=1) as client:
        times = [await _live(client, folder / f"pid-{one}") for one in range(number + 1)]
    return times[1:]


async def _live(client: Client, said: Path) -> tuple[float, float]:
    script = f"echo $$ > {said}.new && mv {said}.new {said}; exec sleep 1000"
    filed = time.perf_counter()
    task = await client.post("/api/tasks", {"prompt": script})
    await _until(said.exists)
    started, pid = time.perf_counter(), _number_in(said)
    await asyncio.sleep(0.2)  # it runs for a while, as agents do
    cancelled = time.perf_counter()
    await client.post(f"/api/tasks/{task['id']}/cancel", {})
    await _until(lambda: not is_running(pid))
    return 1000 * (started - filed), 1000 * (time.perf_counter() - cancelled)


def _number_in(file: Path) -> int:
    return int(file.read_text())


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(LOOK_SECONDS)
