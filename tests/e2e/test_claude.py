"""Claude Code in a running swarm: a conversation outlives the worker, and what it did outlives the host."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing.model_server import Always, Call, Fail, ModelServer, Say, Usage, rate_limited
from agent_swarm.testing.model_server.script import Script
from agent_swarm.testing.real_swarm import RealSwarm

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "sk-ant-a-key-of-the-worker"


def bash(command: str, usage: Usage | None = None) -> Call:
    return Call("Bash", {"command": command, "description": "a step"}, usage=usage or Usage())


class Host:
    """A host with Claude Code; blocking calls go to a thread, because the model lives in the event loop."""

    def __init__(self, swarm: RealSwarm, program: Path, model: ModelServer) -> None:
        self.swarm = swarm
        self.variables = {
            "PATH": f"{program.parent}:{claude.environment(swarm.folder, model.url)['PATH']}",
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "YOLO": "true",
            "SHUTDOWN_TIMEOUT": "0",
        }

    async def start_server(self) -> None:
        await asyncio.to_thread(self.swarm.start_server)

    async def start_worker(self, *, agent_id: str | None = None, host: str = "workers", **more: str) -> str:
        variables = {**self.variables, **more}
        return await asyncio.to_thread(
            lambda: self.swarm.start_worker(agent_id=agent_id, host=host, variables=variables)
        )

    async def stop_worker(self, agent_id: str) -> int:
        return await asyncio.to_thread(self.swarm.stop_worker, agent_id)

    async def kill_worker(self, agent_id: str) -> None:
        await asyncio.to_thread(self.swarm.kill_worker, agent_id)

    async def file(self, prompt: str, **more: Any) -> str:
        task = {"ref": "one", "title": "one", "harness": "claude", "prompt": prompt, **more}
        return (await asyncio.to_thread(self.swarm.file, task))["one"]

    async def steer(self, task_id: str, text: str, *, interrupt: bool = False) -> str:
        body = {"message": text, "interrupt": interrupt}
        said = await asyncio.to_thread(self.swarm.call, "POST", f"/api/tasks/{task_id}/steer", body)
        return str(said["id"])

    async def until_acknowledged(self, message_ids: list[str]) -> None:
        """Wait until the server knows that the agent has these messages."""

        def has(message_id: str) -> bool:
            (delivery,) = self.swarm.call("GET", f"/api/messages/{message_id}")["deliveries"]
            return bool(delivery["status"] == "acknowledged")

        await asyncio.to_thread(self.swarm.wait_until, lambda: all(map(has, message_ids)), "the agent has them")

    async def task(self, task_id: str) -> Any:
        return await asyncio.to_thread(self.swarm.task, task_id)

    async def attempts(self, task_id: str) -> list[Any]:
        told = await asyncio.to_thread(self.swarm.call, "GET", f"/api/tasks/{task_id}/attempts")
        return list(told["attempts"])

    async def until_booked(self, task_id: str, output_tokens: int) -> None:
        """Wait until the server knows that the first attempt's model has answered with so many tokens."""

        def is_booked() -> bool:
            attempts = self.swarm.call("GET", f"/api/tasks/{task_id}/attempts")["attempts"]
            return bool(attempts) and attempts[0]["outputTokens"] == output_tokens

        await asyncio.to_thread(self.swarm.wait_until, is_booked, "what the first turn used is booked")

    async def until_requeued(self, task_id: str) -> Any:
        """Wait until an attempt has failed and the task waits for the next one; the event that says so."""

        def requeued() -> list[Any]:
            return [e for e in self.swarm.events() if (e["type"], e["taskId"]) == ("task.requeued", task_id)]

        await asyncio.to_thread(self.swarm.wait_until, lambda: bool(requeued()), "the task is queued again")
        return (await asyncio.to_thread(requeued))[0]

    async def until(self, task_id: str, status: str) -> Any:
        await asyncio.to_thread(
            self.swarm.wait_until, lambda: self.swarm.task(task_id)["status"] == status, f"the task is {status}"
        )
        return await self.task(task_id)


async def test_given_a_worker_that_is_stopped_in_a_turn_when_it_starts_again_then_the_same_conversation_goes_on(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [
        bash("echo half > half; while :; do sleep 0.1; done", Usage(1000, 50)),
        Say("went on", Usage(2000, 70)),
    ]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        agent = await host.start_worker()
        task_id = await host.file("the whole task")
        await host.until_booked(task_id, 50)
        assert await host.stop_worker(agent) == 0
        await host.start_worker(agent_id=agent)
        task = await host.until(task_id, "completed")
        first, second = model.requests
    assert task["result"]["text"] == "went on"
    assert first.conversation == second.conversation
    history = json.dumps(second.body["messages"])
    assert history.index("the whole task") < history.index("goes on now")
    attempts = await host.attempts(task_id)
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "completed"]
    assert attempts[0]["session"] == attempts[1]["session"] != ""
    assert sum(attempt["inputTokens"] for attempt in attempts) == 3000


async def test_given_a_worker_that_is_stopped_in_a_turn_when_it_starts_on_another_host_then_it_is_told_what_was_done(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    async with ModelServer(
        [bash("while :; do sleep 0.1; done", Usage(1000, 50)), Say("took over")], is_shared=True
    ) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        agent = await host.start_worker()
        task_id = await host.file("the whole task")
        await host.until_booked(task_id, 50)
        assert await host.stop_worker(agent) == 0
        await host.start_worker(agent_id=agent, host="other-host")
        await host.until(task_id, "completed")
        first, second = model.requests
    assert first.conversation != second.conversation
    prompt = second.prompt
    assert prompt.index("<earlier-attempt>") < prompt.index("while :") < prompt.index("the whole task")


async def test_given_a_worker_that_is_killed_in_a_turn_when_the_task_is_tried_again_then_all_is_booked(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [bash("while :; do sleep 0.1; done", Usage(1000, 50)), Say("again", Usage(2000, 70))]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        agent = await host.start_worker()
        task_id = await host.file("the whole task")
        await host.until_booked(task_id, 50)
        await host.kill_worker(agent)
        await host.start_worker(agent_id=agent)
        await host.until(task_id, "completed")
        assert "while :" in model.requests[1].prompt
    attempts = await host.attempts(task_id)
    assert [attempt["inputTokens"] for attempt in attempts] == [1000, 2000]


ASKING = {
    "title": "Deploy?",
    "pause": True,
    "questions": [{"id": "where", "text": "Where to?", "kind": "text"}, {"id": "now", "text": "Now?"}],
}


async def test_given_an_agent_that_asked_people_when_one_answers_then_its_conversation_goes_on_with_the_answer(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    asking = (
        'curl --silent --fail "$AGENT_SWARM_URL/api/approvals" --header "Authorization: Bearer $AGENT_SWARM_TOKEN"'
        f" --json '{json.dumps(ASKING)}' > asked; while :; do sleep 0.1; done"
    )
    async with ModelServer([bash(asking, Usage(1000, 50)), Say("deployed", Usage(2000, 70))], is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("the whole task")
        paused = await host.until(task_id, "paused")
        asked = (await asyncio.to_thread(swarm.call, "GET", f"/api/approvals?taskId={task_id}"))["approvals"][0]
        said = {"answers": {"where": "to the harbour", "now": True}, "comment": "mind the tide"}
        await asyncio.to_thread(swarm.call, "POST", f"/api/approvals/{asked['id']}/answer", said)
        task = await host.until(task_id, "completed")
        first, second = model.requests
    assert (paused["pauseReason"], task["result"]["text"]) == ("approval", "deployed")
    assert first.conversation == second.conversation
    for part in ("goes on now", "You asked: Deploy?", "Answer: to the harbour", "Answer: yes", "mind the tide"):
        assert part in second.prompt
    assert "the whole task" not in second.prompt  # that, its conversation knows
    attempts = await host.attempts(task_id)
    assert [attempt["outcome"] for attempt in attempts] == ["paused", "completed"]
    assert attempts[0]["session"] == attempts[1]["session"] != ""


async def test_given_a_used_up_account_when_a_task_fails_for_it_then_it_waits_until_the_limit_is_over(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    resets_at = 4_000_000_000.0
    async with ModelServer([Always(rate_limited(resets_at=resets_at, retry_after=0))]) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker(ANTHROPIC_API_KEY="", CLAUDE_CODE_OAUTH_TOKEN="sk-ant-oat01-one")
        task_id = await host.file("anything")
        requeued = await host.until_requeued(task_id)
        explained = await asyncio.to_thread(swarm.call, "GET", f"/api/tasks/{task_id}/explain")
    assert (await host.attempts(task_id))[0]["failureCode"] == "rateLimit"
    assert timedelta(days=7) < datetime.fromisoformat(requeued["data"]["retryAt"]) - datetime.now(UTC)
    assert explained["reasons"][0]["code"] == "providerLimit"
    assert explained["attempts"]["losses"] == 0


async def test_given_credentials_of_the_worker_when_the_agent_prints_them_then_they_are_shown_to_nobody(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    async with ModelServer([bash("env"), Say("printed it")]) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("print the environment")
        await host.until(task_id, "completed")
        transcript = await asyncio.to_thread(swarm.call, "GET", f"/api/tasks/{task_id}/attempts/1/transcript?limit=200")
        given = model.requests[0].key
    assert given == KEY
    everything = json.dumps(transcript) + json.dumps(await asyncio.to_thread(swarm.events))
    assert "WORKSPACE=" in everything
    assert KEY not in everything
    assert swarm.key not in everything


async def test_given_a_model_that_refuses_the_key_when_an_attempt_fails_then_people_read_what_to_do(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    async with ModelServer([Always(Fail(401))]) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("anything")
        await host.until_requeued(task_id)
    attempt = (await host.attempts(task_id))[0]
    assert (attempt["failureClass"], attempt["failureCode"]) == ("infrastructure", "authentication")
    assert "CLAUDE_CODE_OAUTH_TOKEN" in attempt["message"]


async def test_given_a_running_conversation_when_the_agent_is_written_to_then_it_reads_each_message_once_and_answers(
    swarm: RealSwarm, claude_cli: Path
) -> None:
    script: Script = [bash("while :; do sleep 0.1; done", Usage(1000, 50)), Say("turned"), Say("turned")]
    async with ModelServer(script, is_shared=True) as model:
        host = Host(swarm, claude_cli, model)
        await host.start_server()
        await host.start_worker()
        task_id = await host.file("the whole task")
        await host.until_booked(task_id, 50)

        told = [await host.steer(task_id, "first word"), await host.steer(task_id, "turn around", interrupt=True)]

        task = await host.until(task_id, "completed")
        await host.until_acknowledged(told)
        history = json.dumps(model.requests[-1].body["messages"])
    assert task["result"]["text"] == "turned"
    assert (history.count("first word"), history.count("turn around")) == (1, 1)
    assert all(history.count(message_id) == 1 for message_id in told)  # in its frame
