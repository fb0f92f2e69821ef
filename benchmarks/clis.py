"""Agent CLIs side by side: from the start to the first event and to the last, processor time, and memory.

The model is scripted and answers at once, in this very process. Needs the programs that `make clis` installs; of one
that is not there nothing is measured. Each is started once before, so that its files are in memory.
"""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent_swarm.harness import registry
from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT, GEMINI, OPENCODE
from agent_swarm.harness.base import AgentEvent, EventKind, Harness, PermissionMode, Permissions, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.harness.pi import PiHarness
from agent_swarm.sandbox.base import Sandbox, SandboxSpec
from agent_swarm.sandbox.process import ProcessProvider
from agent_swarm.testing import agent_cli, claude_cli
from agent_swarm.testing.model_server import ModelServer, Say
from benchmarks import workplace
from benchmarks.figures import median
from benchmarks.report import Row, row
from benchmarks.scale import Scale

CHECKOUT = Path(__file__).resolve().parents[1]
MEGABYTE = 1_000_000
WITHIN = 120.0
MODELS = {"codex": agent_cli.MODEL, "copilot": agent_cli.MODEL, "gemini": "gemini-2.5-pro"}
OTHER = f"openai/{agent_cli.MODEL}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run that says a word: seconds, seconds, seconds of processor time, bytes."""

    first: float
    total: float
    cpu: float
    rss: int


def measure(scale: Scale) -> list[Row]:
    """Medians of a few runs of each."""
    rows: list[Row] = []
    for name, cli in registry.AGENT_CLIS.items():
        program = agent_cli.installed(CHECKOUT, cli.program)
        if program is None:
            continue
        harness = _harness(name, str(program))
        if harness is None:
            continue
        runs = [asyncio.run(_run(harness)) for _ in range(1 + scale.of(5, 1))][1:]
        rows += [
            row(f"{name}: start → first event", median([one.first for one in runs]), "s"),
            row(f"{name}: start → end of a run that says a word", median([one.total for one in runs]), "s"),
            row(f"{name}: processor time of it", median([one.cpu for one in runs]), "s"),
            row(f"{name}: memory (RSS) at its end", median([one.rss for one in runs]) / MEGABYTE, "MB"),
        ]
    return rows


def _harness(name: str, program: str) -> Harness | None:
    match name:
        case "claude":
            return ClaudeHarness(program)
        case "codex":
            return CodexHarness(program)
        case "pi":
            return PiHarness(program)
        case "opencode":
            return AcpHarness(OPENCODE, program)
        case "gemini":
            return AcpHarness(GEMINI, program)
        case "copilot":
            return AcpHarness(COPILOT, program)
    return None


async def _run(harness: Harness) -> Figures:
    with workplace.folder() as folder:
        for one in ("workspace", "state/agent"):
            (folder / one).mkdir(parents=True)
        spec = SandboxSpec(
            run_id=f"run-{os.urandom(4).hex()}", workspace=folder / "workspace", state_dir=folder / "sandbox"
        )
        sandbox = await ProcessProvider(use_cgroups=False).open(spec)
        try:
            async with ModelServer([Say("done")]) as model:
                return await _measured(harness, sandbox, _turn(harness.name, folder, model))
        finally:
            await sandbox.close()


def _turn(name: str, folder: Path, model: ModelServer) -> Turn:
    google = {"GEMINI_API_KEY": agent_cli.KEY, "GOOGLE_GEMINI_BASE_URL": model.url}
    of_claude = claude_cli.environment(folder / "agent", model.url) if name == "claude" else {}
    return Turn(
        task_id="0198b2a4-0000-7000-8000-000000000001",
        attempt=1,
        prompt="say a word",
        workspace=folder / "workspace",
        state_dir=folder / "state",
        env=of_claude
        or {**agent_cli.environment(folder / "agent", model.url), **google, **agent_cli.copilot_at(model.url)},
        model=None if name == "claude" else MODELS.get(name, OTHER),
        permissions=Permissions(mode=PermissionMode.ALL),
    )


async def _measured(harness: Harness, sandbox: Sandbox, turn: Turn) -> Figures:
    began = time.perf_counter()
    first, cpu, rss = 0.0, 0.0, 0

    async def emit(event: AgentEvent) -> None:
        nonlocal first, cpu, rss
        if event.kind is EventKind.STARTED:
            first = time.perf_counter() - began
            pids.append(int(event.data["pid"]))
        if event.kind in (EventKind.TEXT, EventKind.USAGE):
            cpu, rss = _of_tree(pids[-1])

    pids: list[int] = []
    session = await harness.open(sandbox, turn)
    try:
        outcome = await asyncio.wait_for(session.run(emit), WITHIN)
    finally:
        await session.close()
    if not outcome.ok:
        raise RuntimeError(f"{harness.name} did not work: {outcome.message}")
    return Figures(first, time.perf_counter() - began, cpu, rss)


def _of_tree(pid: int) -> tuple[float, int]:
    """Processor time and memory of a process and all below it, as they are now."""
    cpu, rss = 0.0, 0
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(pid)
        for one in (whole, *whole.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                cpu += times.user + times.system
                rss += one.memory_info().rss
    return cpu, rss
