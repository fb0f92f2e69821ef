"""Claude Code in the sandbox `bubblewrap`: it works, and neither it nor its tools get at what is not theirs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness.isolated import CALL, LIST, LOOK, isolating

from agent_swarm.harness.base import EventKind, Outcome, PermissionMode, Permissions, Turn
from agent_swarm.harness.claude import ClaudeHarness
from agent_swarm.sandbox.base import Network, NetworkMode, SandboxSpec
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.testing.harness_contract import Transcript
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def provider() -> BubblewrapProvider:
    return await isolating()


async def test_given_a_sandbox_with_a_list_of_hosts_when_the_agent_looks_around_then_canaries_stay_out_of_reach(
    provider: BubblewrapProvider,
    claude_cli: Path,
    claude_environment: Callable[..., dict[str, str]],
    tmp_path: Path,
) -> None:
    home, workspace, state = (tmp_path / name for name in ("home", "workspace", "state"))
    for folder in (home, workspace, state / "agent"):
        folder.mkdir(parents=True)
    canary = home / "canary"
    canary.write_text("a secret of the worker's user")
    async with ToolServer("canary") as port:
        commands = (
            LOOK.format(canary=canary, workspace=workspace, state=state, cli="claude"),
            CALL.format(url=port.url),
            LIST,
        )
        script: Script = [
            *(Call("Bash", {"command": command, "description": "look"}) for command in commands),
            Say("looked"),
        ]
        async with ModelServer(script) as model:
            outcome, transcript = await look_around(
                provider, claude_cli, claude_environment(model.url), model.url, home, workspace, state
            )
    looked, called, listed = (str(event.data["output"]) for event in transcript.of(EventKind.TOOL_RESULT))
    assert outcome.result == "looked", outcome
    assert "a secret" not in looked
    assert "No such file" in looked
    assert (workspace / "mine").read_text() == "mine\n"
    assert not canary.with_suffix(".new").exists()
    assert (state / "claude" / "mcp.json").exists()
    assert not (state / "claude" / "planted").exists(), "the agent writes where its worker does"
    assert "Failed to connect" in called
    assert "AGENT_SWARM_NETWORK_ALLOW" in called
    assert "wrong token" not in called, "the port on the host's loopback answered"
    assert "claude" in listed
    assert "-m pytest" not in listed, "processes of the host can be seen"


async def look_around(
    provider: BubblewrapProvider,
    program: Path,
    environment: dict[str, str],
    model_url: str,
    home: Path,
    workspace: Path,
    state: Path,
) -> tuple[Outcome, Transcript]:
    """One run, as a worker makes it."""
    harness = ClaudeHarness(str(program))
    spec = SandboxSpec(
        run_id=f"run-{os.urandom(4).hex()}",
        workspace=workspace,
        state_dir=home.parent / "records",
        writable=(state / "agent",),
        readable=(state, *harness.grants.readable),
        network=Network(mode=NetworkMode.ALLOW, own=(model_url.removeprefix("http://"),)),
    )
    turn = Turn(
        task_id="0198b2a4-0000-7000-8000-000000000001",
        attempt=1,
        prompt="look around",
        workspace=workspace,
        state_dir=state,
        env={**environment, "HOME": str(home), "CLAUDE_CODE_TMPDIR": str(state / "agent")},
        permissions=Permissions(mode=PermissionMode.ALL),
    )
    sandbox = await provider.open(spec)
    try:
        session = await harness.open(sandbox, turn)
        transcript = Transcript()
        outcome = await session.run(transcript)
        await session.close()
        return outcome, transcript
    finally:
        await sandbox.close()
