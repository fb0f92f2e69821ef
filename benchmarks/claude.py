"""Claude Code as an agent: what a message, an interrupt and a start cost above the bare program, and its memory.

The model is scripted and answers at once, in this very process, for both. Needs the program that `make clis` installs.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil

from agent_swarm.domain.ids import new_id
from agent_swarm.harness.base import AgentEvent, Bounds, EventKind, PermissionMode, Permissions, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.kept.session import KeptSession
from agent_swarm.sandbox.base import SandboxSpec
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.testing import agent_cli, claude_cli
from agent_swarm.testing.model_server import Call, ModelRequest, ModelServer, Say
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.waiting import until
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Row, at_most, row
from benchmarks.scale import Scale

CHECKOUT = Path(__file__).resolve().parents[1]
WITHIN = 120.0
STREAMS = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose", "--replay-user-messages")
BUSY = "echo $$ > busy.new; mv busy.new busy; while :; do sleep 0.01; done"


def measure(scale: Scale) -> list[Row]:
    """Message, interrupt, start, memory."""
    program = agent_cli.installed(CHECKOUT, "claude")
    if program is None:
        raise RuntimeError("claude is not installed: make clis")
    return asyncio.run(_measure(scale, program))


async def _measure(scale: Scale, program: Path) -> list[Row]:
    rounds = scale.of(20, 5)
    async with ModelServer(_answer) as model:
        bare_start, bare = await _bare(program, model, rounds)
        start, kept, memory = await _kept(program, model, rounds)
        interrupts = [await _interrupt(program, model) for _ in range(scale.of(5, 2))]
    above = median(kept) - median(bare)
    return [
        row(
            "claude: message to a kept agent → its turn is over", median(kept), "ms", ratio=median(kept) / median(bare)
        ),
        row("claude: the same with the bare program", median(bare), "ms"),
        row("claude: message to a kept agent, above the bare program", above, "ms", at_most(20)),
        row(
            "claude: interrupt → the running tool is dead", median([dead for dead, _ in interrupts]), "ms", at_most(100)
        ),
        row(
            "claude: interrupt → the run is over, the agent kept",
            median([over for _, over in interrupts]),
            "ms",
            at_most(100),
        ),
        row("claude: start → its first turn is over", start, "ms", ratio=start / bare_start),
        row("claude: memory of a kept agent, all its processes (PSS)", memory, "MiB"),
    ]


def _answer(request: ModelRequest) -> Reply:
    if "be busy" in request.prompt and not request.results:
        return Call("Bash", {"command": BUSY, "description": "be busy"})
    return Say("yes")


async def _bare(program: Path, model: ModelServer, rounds: int) -> tuple[float, list[float]]:
    """Milliseconds from the start to the first result, and of each further message."""
    with workplace.folder() as folder:
        since = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            program,
            "--print",
            *STREAMS,
            "--dangerously-skip-permissions",
            cwd=folder,
            env=claude_cli.environment(folder, model.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**24,
        )
        assert process.stdin is not None and process.stdout is not None

        async def turn(text: str) -> None:
            message = {"type": "user", "message": {"role": "user", "content": text}}
            process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            while json.loads(await process.stdout.readline())["type"] != "result":  # type: ignore[union-attr]
                pass

        await turn("begin")
        start = _milliseconds(since)
        times = []
        for _ in range(rounds):
            since = time.perf_counter()
            await turn("go on")
            times.append(_milliseconds(since))
        process.stdin.close()
        await process.wait()
    return start, times


async def _kept(program: Path, model: ModelServer, rounds: int) -> tuple[float, list[float], float]:
    """The same for an agent of ours, and its memory in MiB."""
    events: list[AgentEvent] = []

    async def emit(event: AgentEvent) -> None:
        events.append(event)

    since = time.perf_counter()
    async with _agent(program, model, "begin") as (session, _):
        await session.run(emit)
        start = _milliseconds(since)
        times = []
        for _ in range(rounds):
            since = time.perf_counter()
            await session.send("go on")
            await session.run(emit)
            times.append(_milliseconds(since))
        pid = next(event.data["pid"] for event in events if event.kind is EventKind.STARTED)
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        memory = sum(one.memory_full_info().pss for one in family) / 2**20
    return start, times, memory


async def _interrupt(program: Path, model: ModelServer) -> tuple[float, float]:
    """Milliseconds from the interrupt of an agent in a tool until the tool is dead, and until its run is over."""

    async def emit(event: AgentEvent) -> None:
        pass

    async with _agent(program, model, "be busy") as (session, folder):
        running = asyncio.create_task(session.run(emit))
        await until((folder / "busy").exists, within=WITHIN)
        death = _death_of(int((folder / "busy").read_text()))
        since = time.perf_counter()
        interrupting = asyncio.create_task(session.interrupt())
        await death.wait()
        dead = _milliseconds(since)
        await running
        over = _milliseconds(since)
        await interrupting
    return dead, over


@asynccontextmanager
async def _agent(program: Path, model: ModelServer, prompt: str) -> AsyncIterator[tuple[KeptSession, Path]]:
    """A kept agent and its folder."""
    with workplace.folder() as folder:
        spec = SandboxSpec(run_id=new_id(), workspace=folder, state_dir=folder / "sandbox")
        sandbox = await ProcessProvider().open(spec)
        turn = Turn(
            task_id=new_id(),
            attempt=1,
            prompt=prompt,
            workspace=folder,
            state_dir=folder / "state",
            env=claude_cli.environment(folder, model.url),
            permissions=Permissions(mode=PermissionMode.ALL),
            bounds=Bounds(idle=timedelta(minutes=5)),
        )
        session = await ClaudeHarness(str(program)).open(sandbox, turn)
        try:
            yield session, folder
        finally:
            await session.close()
            await sandbox.close()


def _death_of(pid: int) -> asyncio.Event:
    """Set as soon as the kernel says that the process has ended."""
    dead, handle = asyncio.Event(), os.pidfd_open(pid)
    loop = asyncio.get_running_loop()

    def noticed() -> None:
        loop.remove_reader(handle)
        os.close(handle)
        dead.set()

    loop.add_reader(handle, noticed)
    return dead


def _milliseconds(since: float) -> float:
    return 1000 * (time.perf_counter() - since)
