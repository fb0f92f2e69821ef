"""Harness `copilot` with the real Copilot CLI and a scripted model: nothing between them is pretended."""

from pathlib import Path
from typing import ClassVar

import pytest
from tests.harness.kept_agent import Hire, bash
from tests.harness.kept_contract import KeptContract, KeptFixtures

from agent_swarm.harness.acp import AcpHarness
from agent_swarm.harness.acp.agents import COPILOT
from agent_swarm.harness.base import EventKind, PermissionMode, Permissions
from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Call, Fail, ModelServer, Say, Usage
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.tool_server import ToolServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def harness(copilot_cli: Path) -> AcpHarness:
    return AcpHarness(COPILOT, str(copilot_cli))


NEW_FILE = "*** Begin Patch\n*** Add File: patched\n+one\n*** End Patch\n"


class OfItsOwnModel(KeptFixtures):
    """An agent whose model is its worker's, not GitHub's."""

    def environment(self, folder: Path, model: ModelServer, **variables: str) -> dict[str, str]:
        return agent_cli.environment(folder, model.url, **{**agent_cli.copilot_at(model.url), **variables})


class TestKept(OfItsOwnModel, KeptContract):
    """What every agent CLI promises that is kept."""

    shell = "execute"  # the kind: what it calls its tools is not told
    echo = "swarm-echo"
    key = "COPILOT_PROVIDER_API_KEY"
    is_steered = False
    starts_within = 15.0
    failing_headers: ClassVar[dict[str, str]] = {"retry-after": "0"}  # it asks up to five times more


class TestManner(OfItsOwnModel):
    """What is its own."""

    async def test_given_a_model_that_fails_once_when_it_answers_then_the_result_is_its_words_alone(
        self, hire: Hire
    ) -> None:
        async with ModelServer([Fail(500, headers={"retry-after": "0"}), Say("done")]) as model:
            agent = hire(model)
            outcome = await agent.once()
        assert (outcome.ok, outcome.result) == (True, "done"), outcome
        assert [event.data["text"] for event in agent.transcript.of(EventKind.TEXT)] == ["done"]
        assert "Retrying" in agent.logs()

    async def test_given_a_profile_when_the_agent_goes_beyond_it_then_it_is_told_and_goes_on_with_what_it_may(
        self, hire: Hire, workspace: Path
    ) -> None:
        script: Script = [
            bash("touch made"),
            Call("apply_patch", {"input": NEW_FILE}),
            Call("swarm-echo", {"text": "over there"}),
            Say("done"),
        ]
        edits = Permissions(mode=PermissionMode.EDITS)
        async with ToolServer("tool-token") as tools, ModelServer(script) as model:
            agent = hire(model)
            outcome = await agent.once(permissions=edits, mcp_servers={"swarm": tools.config()})
            assert "denied" in model.requests[1].results[0].text
        assert (outcome.ok, outcome.result) == (True, "done"), outcome
        assert [event.data["name"] for event in agent.transcript.of(EventKind.DENIED)] == ["execute"]
        assert (workspace / "patched").read_text() == "one\n"
        assert not (workspace / "made").exists()
        assert tools.calls == [{"text": "over there"}]

    async def test_given_names_of_the_workers_model_when_a_task_names_one_then_that_is_asked_else_the_workers(
        self, hire: Hire
    ) -> None:
        names = {"COPILOT_PROVIDER_MODEL_ID": "gpt-5.4", "COPILOT_PROVIDER_WIRE_MODEL": "as-deployed"}
        async with ModelServer([Say("done")]) as model:
            agent = hire(model, **names)
            assert (await agent.once(model=agent_cli.MODEL)).ok
            assert (await agent.once("another task", model=None)).ok
            assert [request.model for request in model.requests] == [agent_cli.MODEL, "as-deployed"]

    @pytest.mark.parametrize(
        ("variables", "name", "below", "path"),
        [
            ({"WIRE_API": ""}, "qwen3.5", "/v1", "/v1/chat/completions"),
            ({"WIRE_API": "responses"}, "gpt-5.5", "/v1", "/v1/responses"),
            ({"TYPE": "anthropic"}, "claude-sonnet-4.6", "", "/v1/messages"),
        ],
    )
    async def test_given_a_server_of_another_api_when_the_agent_works_for_its_model_then_it_speaks_that(
        self, hire: Hire, workspace: Path, variables: dict[str, str], name: str, below: str, path: str
    ) -> None:
        command = Call("bash", {"command": "echo made > made", "description": "make it"}, usage=Usage(1000, 50))
        async with ModelServer([command, Say("done")], is_shared=True) as model:
            about = {f"COPILOT_PROVIDER_{one}": value for one, value in variables.items()}
            agent = hire(model, COPILOT_PROVIDER_BASE_URL=f"{model.url}{below}", **about)
            outcome = await agent.once(model=name)
            first = model.requests[0]
        assert (outcome.ok, outcome.result) == (True, "done"), outcome
        assert (first.path, first.key, first.model) == (path, agent_cli.KEY, name)
        assert (workspace / "made").read_text() == "made\n"
        assert agent.used() == (1010, 55)
