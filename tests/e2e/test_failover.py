"""Work goes on when an account is used up: with another account, then another agent CLI, and nothing is done twice.

The tool's effect is counted: it adds a line to a file outside of the workspace each time that it happens.
"""

import asyncio
import json
from pathlib import Path

import pytest
from tests.e2e.failing_over import KEY, NO_QUOTA, ONE, TWO, Accounts, Host, effects

from agent_swarm.testing import agent_cli
from agent_swarm.testing.model_server import Fail, ModelServer
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.model_server.requests import ModelRequest
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CLAUDES = "claude-opus-4-5"


async def test_given_two_accounts_when_one_is_used_up_in_a_turn_then_the_other_goes_on_in_the_same_conversation(
    swarm: RealSwarm, claude_cli: Path, counted: Path
) -> None:
    accounts = Accounts(counted, used_up=frozenset({ONE}))
    async with ModelServer(accounts) as model:
        host = Host(swarm, model, claude_cli)
        await host.start()
        task = await host.done("the whole task")
        keys = [request.key for request in model.requests]
        assert len({request.conversation for request in model.requests}) == 1
        last = model.requests[-1]
        assert last.prompts[0] == "the whole task"
        first_requests = len(model.requests)

        again = await host.done("another task")
        later = {request.key for request in model.requests[first_requests:]}
    assert keys[0] == ONE and keys[-1] == TWO
    assert (task["result"]["text"], again["result"]["text"]) == ("all done", "all done")
    assert len(await host.attempts(task["id"])) == 1
    assert later == {TWO}, "the other one rests"
    assert effects(counted) == ["done"] * 2, "once for each task"
    transcript = await host.transcript(task["id"])
    assert "the limit of credential claude-1 is reached: it rests until 2096-" in transcript
    everything = transcript + "".join(path.read_text() for path in swarm.folder.rglob("credentials.json"))
    assert "claude-1" in everything and ONE not in everything and TWO not in everything


@pytest.mark.parametrize(
    ("harness", "variable", "model_name", "kind"),
    [
        ("codex", "OPENAI_API_KEY", agent_cli.MODEL, "openai"),
        ("pi", "OPENAI_API_KEY", f"openai/{agent_cli.MODEL}", "openai"),
        ("opencode", "OPENAI_API_KEY", f"openai/{agent_cli.MODEL}", "openai"),
        ("gemini", "GEMINI_API_KEY", "gemini-2.5-pro", "gemini"),
    ],
)
async def test_given_two_keys_of_another_cli_when_one_is_used_up_in_a_turn_then_the_other_goes_on_and_repeats_nothing(
    swarm: RealSwarm,
    request: pytest.FixtureRequest,
    counted: Path,
    harness: str,
    variable: str,
    model_name: str,
    kind: str,
) -> None:
    async with ModelServer(Accounts(counted, used_up=frozenset({ONE}), limit=NO_QUOTA)) as model:
        host = Host(swarm, model, request.getfixturevalue(f"{harness}_cli"))
        await host.start(**{variable: f"{ONE},{TWO}"})
        task = await host.done("the whole task", harness, model=model_name)
        last = model.requests[-1]
        keys = list(dict.fromkeys(one.key for one in model.requests))
    assert keys == [ONE, TWO], "one after the other, and never both"
    assert task["result"]["text"] == "all done"
    assert effects(counted) == ["done"]
    assert "the whole task" in last.prompts[0] and "<earlier-attempt>" not in json.dumps(last.messages)
    assert len(await host.attempts(task["id"])) == 1
    assert f"the limit of credential {kind}-1 is reached" in await host.transcript(task["id"])


async def test_given_two_keys_for_copilots_own_model_when_one_is_used_up_then_the_other_goes_on_where_it_was(
    swarm: RealSwarm, copilot_cli: Path, counted: Path
) -> None:
    known = Accounts(counted)

    def answer(request: ModelRequest) -> Reply:
        is_used_up = request.key == "sk-copilot-one" and bool(request.results)
        return Fail(429, headers={"retry-after": "3600"}) if is_used_up else known(request)

    async with ModelServer(answer) as model:
        host = Host(swarm, model, copilot_cli)
        keys = {"COPILOT_PROVIDER_API_KEY": "sk-copilot-one, sk-copilot-two"}
        await host.start(**{**agent_cli.copilot_at(model.url), **keys})
        task = await host.done("the whole task", "copilot", model=agent_cli.MODEL)
        asked = list(dict.fromkeys(request.key for request in model.requests))
        assert model.requests[-1].prompts[0] == "the whole task"
    assert asked == ["sk-copilot-one", "sk-copilot-two"]
    assert task["result"]["text"] == "all done"
    assert len(await host.attempts(task["id"])) == 1
    assert effects(counted) == ["done"]
    transcript = await host.transcript(task["id"])
    assert "the limit of credential copilot-1 is reached" in transcript and "sk-copilot" not in transcript


async def test_given_two_accounts_when_tasks_come_then_they_take_turns_also_over_a_restart(
    swarm: RealSwarm, claude_cli: Path, counted: Path
) -> None:
    async with ModelServer(Accounts(counted)) as model:
        host = Host(swarm, model, claude_cli)
        agent = await host.start()
        for _ in range(3):
            await host.done("a task")
        await asyncio.to_thread(swarm.stop_worker, agent)
        await host.start_worker()
        await host.done("a task")
        keys = {request.conversation: request.key for request in model.requests}
    assert list(keys.values()) == [ONE, TWO, ONE, TWO]


async def test_given_an_account_that_is_not_known_any_more_when_it_is_refused_then_another_one_does_the_task(
    swarm: RealSwarm, claude_cli: Path, counted: Path
) -> None:
    known = Accounts(counted)

    def answer(request: ModelRequest) -> Reply:
        return Fail(401) if request.key == ONE else known(request)

    async with ModelServer(answer) as model:
        host = Host(swarm, model, claude_cli)
        await host.start()
        task = await host.done("a task")
        assert model.requests[0].key == ONE
    assert len(await host.attempts(task["id"])) == 1
    assert "credential claude-1 is not accepted" in await host.transcript(task["id"])


@pytest.mark.parametrize("named_by", ["task", "worker"])
async def test_given_two_agent_clis_when_all_accounts_of_one_are_used_up_then_the_other_goes_on_and_repeats_nothing(
    swarm: RealSwarm, claude_cli: Path, codex_cli: Path, counted: Path, named_by: str
) -> None:
    accounts = Accounts(counted, used_up=frozenset({ONE, TWO}))
    async with ModelServer(accounts) as model:
        host = Host(swarm, model, claude_cli, codex_cli)
        if named_by == "task":
            await host.start()
            task = await host.done("the whole task", "claude,codex", model=CLAUDES)
        else:
            await host.start(HARNESS_PROVIDER="claude", AGENT_SWARM_HARNESS_FALLBACK="codex")
            task = await host.done("the whole task", None)
        keys = list(dict.fromkeys(request.key for request in model.requests))
        models = {request.key: request.body["model"] for request in model.requests}
        last = model.requests[-1]
        first_requests = len(model.requests)
        before = effects(counted)

        again = await host.done("another task", "claude,codex")
        later = {request.key for request in model.requests[first_requests:]}
    assert keys == [ONE, TWO, KEY]
    assert before == ["done"], "by the first agent, and by nobody else"
    assert (models[ONE] == CLAUDES) == (named_by == "task")
    assert models[KEY] != CLAUDES, "a model that is named for one agent CLI is none of another"
    told = json.dumps(last.messages)
    assert told.index("<earlier-attempt>") < told.index(f"echo done >> {counted}") < told.index("the whole task")
    assert len(await host.attempts(task["id"])) == 1
    assert again["result"]["text"] == "all done"
    assert later == {KEY}, "nobody asks accounts that rest"


async def test_given_a_task_for_one_agent_cli_when_its_accounts_are_used_up_then_no_other_goes_on_and_the_agent_rests(
    swarm: RealSwarm, claude_cli: Path, codex_cli: Path, counted: Path
) -> None:
    async with ModelServer(Accounts(counted, at_once=frozenset({ONE, TWO}))) as model:
        host = Host(swarm, model, claude_cli, codex_cli)
        await host.start(AGENT_SWARM_HARNESS_FALLBACK="codex")
        task_id = await host.file("a task")
        await host.until(lambda: any(event["type"] == "task.requeued" for event in swarm.events()))
        explained = await asyncio.to_thread(swarm.call, "GET", f"/api/tasks/{task_id}/explain")
        keys = [request.key for request in model.requests]
    assert set(keys) == {ONE, TWO}
    assert (await host.attempts(task_id))[0]["failureCode"] == "rateLimit"
    assert explained["reasons"][0]["code"] == "providerLimit"
    assert explained["attempts"]["losses"] == 0
