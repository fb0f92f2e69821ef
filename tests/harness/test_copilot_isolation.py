"""Copilot CLI in the sandbox `bubblewrap`: it works, and neither it nor its tools get at what is not theirs."""

from pathlib import Path

import pytest
from tests.harness.isolated import CALL, LIST, LOOK, isolating, opened
from tests.harness.kept_agent import Agent, bash

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT
from agent_swarm.harness.base import EventKind, PermissionMode, Permissions
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NEW_FILE = "*** Begin Patch\n*** Add File: patched\n+one\n*** End Patch\n"
KEYS = """echo "key: $COPILOT_PROVIDER_API_KEY$OPENAI_API_KEY."; ls -d "$HOME"/.cache/copilot/pkg 2>&1"""


@pytest.fixture
async def provider() -> BubblewrapProvider:
    return await isolating()


@pytest.fixture
def harness(copilot_cli: Path) -> AcpHarness:
    harness = AcpHarness(COPILOT, str(copilot_cli))
    assert harness.available() is None  # and it has unpacked itself, as a worker has it
    return harness


async def test_given_a_sandbox_with_a_list_of_hosts_when_the_agent_works_then_canaries_stay_out_of_reach(
    provider: BubblewrapProvider, harness: AcpHarness, tmp_path: Path
) -> None:
    home, workspace, state = (tmp_path / name for name in ("home", "workspace", "state"))
    canary = home / "canary"
    async with ToolServer("canary") as port, ToolServer("tool-token") as tools:
        script: Script = [
            bash(LOOK.format(canary=canary, workspace=workspace, state=state, cli="copilot")),
            bash(CALL.format(url=port.url)),
            bash(LIST),
            bash(KEYS),
            Call("apply_patch", {"input": NEW_FILE}),
            Call("swarm-echo", {"text": "over there"}),
            Say("looked"),
            Say("again"),
        ]
        async with ModelServer(script) as model:
            places = (url.removeprefix("http://").partition("/")[0] for url in (model.url, tools.url))
            sandbox, turn = await opened(provider, harness, tmp_path, *places, model=agent_cli.MODEL)
            canary.write_text("a secret of the worker's user")
            agent = Agent(harness, sandbox, turn)
            env = {**turn.env, **agent_cli.copilot_at(model.url)}
            session = await agent.open("look around", env=env, mcp_servers={"swarm": tools.config()})
            outcome = await agent.run(session)
            await session.close()
            again = await agent.once("never sent", env=env, session=session.handle)
            await sandbox.close()
    looked, called, listed, keys, *_ = agent.results()
    assert (outcome.result, again.result) == ("looked", "again"), (outcome, again)
    assert "a secret" not in looked
    assert "No such file" in looked
    assert (workspace / "mine").read_text() == "mine\n"
    assert (workspace / "patched").read_text() == "one\n"
    assert not canary.with_suffix(".new").exists()
    assert not (state / "copilot" / "planted").exists(), "the agent writes where its worker does"
    assert "Failed to connect" in called
    assert "AGENT_SWARM_NETWORK_ALLOW" in called
    assert "wrong token" not in called, "the port on the host's loopback answered"
    assert "copilot" in listed
    assert "-m pytest" not in listed, "processes of the host can be seen"
    assert keys.startswith("key: .")
    assert "No such file" in keys, "it has unpacked itself once more"
    assert tools.calls == [{"text": "over there"}]


async def test_given_a_profile_in_a_sandbox_when_the_agent_writes_then_the_sandbox_or_the_cli_keeps_it_in(
    provider: BubblewrapProvider, harness: AcpHarness, tmp_path: Path
) -> None:
    made = {}
    for name, permissions in (
        ("edits", Permissions(mode=PermissionMode.EDITS, by_sandbox=True)),
        ("plan", Permissions(mode=PermissionMode.PLAN)),
    ):
        async with ModelServer([bash("touch made"), Say("done")]) as model:
            sandbox, turn = await opened(
                provider, harness, tmp_path / name, model.url.removeprefix("http://"), model=agent_cli.MODEL
            )
            agent = Agent(harness, sandbox, turn)
            outcome = await agent.once(env={**turn.env, **agent_cli.copilot_at(model.url)}, permissions=permissions)
            await sandbox.close()
        assert outcome.ok, outcome
        assert len(agent.transcript.of(EventKind.DENIED)) == (name == "plan")
        made[name] = [path.name for path in (tmp_path / name / "workspace").iterdir()]
    assert made == {"edits": ["made"], "plan": []}
