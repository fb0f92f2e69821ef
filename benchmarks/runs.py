"""A real worker with real processes: how soon a filed task runs, and how soon a cancelled one is dead.

The agent is a shell that holds a named pipe open and sleeps, in the sandbox that the host gives it. Both ends are seen
from outside: by its first word in the pipe, and by the pipe's end.
"""

import asyncio
import os
import time
from pathlib import Path

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
        pipes = folder / "pipes"
        pipes.mkdir()
        env = {"AGENT_SWARM_URL": f"http://127.0.0.1:{server.port}", "API_KEY": server.key, "HOME": str(folder)}
        env["AGENT_SWARM_WRITABLE"] = str(pipes)
        with processes.running(argv, env=env, log=folder / "worker.log"):
            times = asyncio.run(_lives(server, pipes, scale.of(12, 3)))
    started, ended = (median(column) for column in zip(*times, strict=True))
    return [
        row("task filed → its process runs, real worker", started, "ms"),
        row("cancel → its process is dead, real worker", ended, "ms", at_most(100)),
    ]


async def _lives(server: Server, pipes: Path, number: int) -> list[tuple[float, float]]:
    """Milliseconds to the start and to the end of each; the first one, which waits for the worker, is not counted."""
    async with Client(server.port, server.key, connections=1) as client:
        times = [await _live(client, pipes / str(one)) for one in range(number + 1)]
    return times[1:]


async def _live(client: Client, pipe: Path) -> tuple[float, float]:
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        filed = time.perf_counter()
        task = await client.post("/api/tasks", {"prompt": f"exec 9> {pipe}; echo up >&9; exec sleep 1000"})
        await _until(reader, b"up\n")
        started = time.perf_counter()
        await asyncio.sleep(0.2)  # it runs for a while, as agents do
        cancelled = time.perf_counter()
        await client.post(f"/api/tasks/{task['id']}/cancel", {})
        await _until(reader, b"")
        return 1000 * (started - filed), 1000 * (time.perf_counter() - cancelled)
    finally:
        os.close(reader)


async def _until(reader: int, expected: bytes) -> None:
    """Wait until the pipe gives this; before somebody has opened it, and after the last one has gone, it is empty."""
    async with asyncio.timeout(PATIENCE):
        while _read(reader) != expected:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(LOOK_SECONDS)


def _read(reader: int) -> bytes | None:
    """None while there is a writer that says nothing."""
    try:
        return os.read(reader, 16)
    except BlockingIOError:
        return None
