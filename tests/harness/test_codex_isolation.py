"""Codex in the sandbox `bubblewrap`: it works, and neither it nor its tools get at what is not theirs."""

from pathlib import Path

import pytest
from tests.harness.isolated import CALL, LIST, LOOK, isolating, opened
from tests.harness.kept_agent import Agent, bash

from agent_swarm.harness.base import PermissionMode, Permissions
from agent_swarm.harness.codex import CodexHarness
from agent_swarm.sandbox.bubblewrap import BubblewrapProvider
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Call, ModelServer, Say
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NEW_FILE = "*** Begin Patch\n*** Add File: patched\n+one\n*** End Patch\n"


@pytest.fixture
async def provider() -> BubblewrapProvider:
    return await isolating()


@pytest.fixture
def harness(codex_cli: Path) -> CodexHarness:
    return CodexHarness(str(codex_cli), retries=0)


async def test_given_a_sandbox_with_a_list_of_hosts_when_the_agent_works_then_canaries_stay_out_of_reach(
    provider: BubblewrapProvider, harness: CodexHarness, tmp_path: Path
) -> None:
    home, workspace, state = (tmp_path / name for name in ("home", "workspace", "state"))
    canary = home / "canary"
    async with ToolServer("canary") as port, ToolServer("tool-token") as tools:
        commands = (
            LOOK.format(canary=canary, workspace=workspace, state=state, cli="codex"),
            CALL.format(url=port.url),
            LIST,
        )
        script: Script = [
            *map(bash, commands),
            Call("apply_patch", {"input": NEW_FILE}),
            Call("mcp__swarm__echo", {"text": "over there"}),
            Say("looked"),
            Say("again"),
        ]
        async with ModelServer(script) as model:
            places = (url.removeprefix("http://").partition("/")[0] for url in (model.url, tools.url))
            sandbox, turn = await opened(provider, harness, tmp_path, *places, model=agent_cli.MODEL)
            canary.write_text("a secret of the worker's user")
            agent = Agent(harness, sandbox, turn)
            env = {**turn.env, **agent_cli.model_at(model.url)}
            session = await agent.open("look around", env=env, mcp_servers={"swarm": tools.config()})
            outcome = await agent.run(session)
            await session.close()
            again = await agent.once("never sent", env=env, session=session.handle)
            await sandbox.close()
    looked, called, listed, *_ = agent.results()
    assert (outcome.result, again.result) == ("looked", "again"), (outcome, again)
    assert "a secret" not in looked
    assert "No such file" in looked
    assert (workspace / "mine").read_text() == "mine\n"
    assert (workspace / "patched").read_text() == "one\n"
    assert not canary.with_suffix(".new").exists()
    assert not (state / "codex" / "planted").exists(), "the agent writes where its worker does"
    assert "Failed to connect" in called
    assert "AGENT_SWARM_NETWORK_ALLOW" in called
    assert "wrong token" not in called, "the port on the host's loopback answered"
    assert "codex" in listed
    assert "-m pytest" not in listed, "processes of the host can be seen"
    assert tools.calls == [{"text": "over there"}]


async def test_given_a_profile_in_a_sandbox_when_the_agent_writes_then_the_sandbox_or_the_cli_keeps_it_in(
    provider: BubblewrapProvider, harness: CodexHarness, tmp_path: Path
) -> None:
    kept_in = Permissions(mode=PermissionMode.EDITS, by_sandbox=True)
    planning = Permissions(mode=PermissionMode.PLAN)
    async with ModelServer([bash("touch edited"), Say("done")]) as model:
        sandbox, turn = await opened(
            provider, harness, tmp_path, model.url.removeprefix("http://"), model=agent_cli.MODEL
        )
        agent = Agent(harness, sandbox, turn)
        env = {**turn.env, **agent_cli.model_at(model.url)}
        assert (await agent.once(env=env, permissions=kept_in)).ok
    async with ModelServer([bash("touch planned"), Say("done")]) as model:
        sandbox, turn = await opened(
            provider, harness, tmp_path / "other", model.url.removeprefix("http://"), model=agent_cli.MODEL
        )
        agent = Agent(harness, sandbox, turn)
        assert (await agent.once(env={**turn.env, **agent_cli.model_at(model.url)}, permissions=planning)).ok
    assert (tmp_path / "workspace" / "edited").exists()
    assert list((tmp_path / "other" / "workspace").iterdir()) == []
