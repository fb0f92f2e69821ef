"""A CLI that does nothing at all, not even read: whatever it was told, its run ends."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.harness.kept_agent import Agent

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import GEMINI
from agent_swarm.harness.base import Bounds, Harness, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.harness.pi import PiHarness
from agent_swarm.sandbox.base import Sandbox

pytestmark = pytest.mark.anyio

BEYOND_ALL_PIPES = "x" * 1_000_000


@pytest.fixture
def deaf(tmp_path: Path) -> str:
    program = tmp_path / "deaf"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture(params=["claude", "codex", "pi", "gemini"])
def harness(request: pytest.FixtureRequest, deaf: str) -> Harness:
    kept: dict[str, Harness] = {
        "claude": ClaudeHarness(deaf),
        "codex": CodexHarness(deaf),
        "pi": PiHarness(deaf),
        "gemini": AcpHarness(GEMINI, deaf),
    }
    return kept[request.param]


async def test_given_a_cli_that_reads_nothing_when_it_is_told_more_than_pipes_hold_then_it_has_stalled(
    harness: Harness, sandbox: Sandbox, tmp_path: Path
) -> None:
    turn = Turn(
        task_id="0198b2a4-0000-7000-8000-000000000001",
        attempt=1,
        prompt="",
        workspace=tmp_path / "workspace",
        state_dir=tmp_path / "state",
        env={"PATH": "/usr/bin:/bin"},
        bounds=Bounds(silence=timedelta(milliseconds=200)),
    )
    outcome = await Agent(harness, sandbox, turn).once(BEYOND_ALL_PIPES)
    assert (outcome.failure, outcome.failure_code) == ("infrastructure", "stalled")
