"""Models by OpenRouter, with the real CLIs that have them: its key, at the address that is set, and no other key."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.e2e.failing_over import Host

from agent_swarm.testing.model_server import ModelServer
from agent_swarm.testing.real_swarm import RealSwarm
from agent_swarm.worker.replay.wire import Answer, LoopbackServer, Request

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PATH = "/api/v1/chat/completions"


@dataclass
class Router:
    """Answers everything with the same words, in those of OpenAI's Chat Completions API."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)  # path, credential, model

    async def handle(self, request: Request, answer: Answer) -> None:
        model = str(json.loads(request.body or b"{}").get("model"))
        self.asked.append((request.path, request.headers.get("authorization", ""), model))
        await answer.begin(200, {"content-type": "text/event-stream"})
        await answer.piece(_chunk(model, {"role": "assistant", "content": "all done"}))
        await answer.piece(_chunk(model, {}, finish_reason="stop"))
        await answer.piece(b"data: [DONE]\n\n")
        await answer.end()


def _chunk(model: str, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    told: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
    return f"data: {json.dumps({**told, 'choices': [choice]})}\n\n".encode()


@pytest.mark.parametrize("harness", ["pi", "opencode"])
async def test_given_a_model_by_openrouter_when_a_task_names_it_then_one_of_its_keys_is_used_at_its_address(
    swarm: RealSwarm, request: pytest.FixtureRequest, harness: str
) -> None:
    router = Router()
    server = LoopbackServer(router.handle)
    await server.start()
    try:
        async with ModelServer([]) as openai:
            host = Host(swarm, openai, request.getfixturevalue(f"{harness}_cli"))
            address = f"http://127.0.0.1:{server.port}/api/v1"
            await host.start(OPENROUTER_API_KEY="or-1,or-2", OPENROUTER_BASE_URL=address)
            task = await host.done("say something", harness, model="openrouter/openai/gpt-4o")
            assert not openai.everything
    finally:
        await server.stop()
    assert task["result"]["text"] == "all done"
    assert set(router.asked) == {(PATH, "Bearer or-1", "openai/gpt-4o")}
    await asyncio.to_thread(swarm.close)
