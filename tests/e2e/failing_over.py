"""A swarm with a worker, and a model that knows several accounts; a tool's effect is counted."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_swarm.testing import agent_cli
from agent_swarm.testing import claude_cli as claude
from agent_swarm.testing.model_server import Call, Fail, ModelServer, Say, rate_limited, usage_limited
from agent_swarm.testing.model_server.replies import Reply
from agent_swarm.testing.model_server.requests import ModelRequest
from agent_swarm.testing.model_server.responses import ResponsesRequest
from agent_swarm.testing.real_swarm import RealSwarm

ONE, TWO, KEY = "sk-ant-oat01-one", "sk-ant-oat01-two", "sk-openai-three"
THE_FUTURE = 4_000_000_000.0
NO_QUOTA = Fail(429, "insufficient_quota", "You exceeded your current quota", headers={"retry-after-ms": "1"})


class Accounts:
    """A model that knows several accounts.

    An agent that does not know of the tool's effect, by its conversation or by what it was told, brings it about.
    `used_up` are refused from then on, `at_once` from the start: by `limit`, or as subscriptions are.
    """

    def __init__(
        self,
        counted: Path,
        *,
        used_up: frozenset[str] = frozenset(),
        at_once: frozenset[str] = frozenset(),
        limit: Fail | None = None,
    ) -> None:
        self._command = f"echo done >> {counted}"
        self._used_up = used_up
        self._at_once = at_once
        self._limit = limit

    def __call__(self, request: ModelRequest) -> Reply:
        has_acted = self._command in json.dumps(request.messages)
        if request.key in self._at_once or (has_acted and request.key in self._used_up):
            return self._limit or _limit_of(request)
        if not has_acted:
            return Call("Bash", {"command": self._command, "description": "act"})
        return Say("all done")


def _limit_of(request: ModelRequest) -> Fail:
    """As the maker of the model says it of a subscription."""
    if isinstance(request, ResponsesRequest):
        return usage_limited(resets_at=THE_FUTURE)
    return rate_limited(resets_at=THE_FUTURE, retry_after=0)


class Host:
    """A swarm with one worker. Blocking calls go to a thread, because the model lives in the event loop."""

    def __init__(self, swarm: RealSwarm, model: ModelServer, *programs: Path) -> None:
        self.swarm = swarm
        self.variables = {
            **agent_cli.model_at(model.url),
            "PATH": ":".join((*(str(one.parent) for one in programs), claude.environment(swarm.folder, "")["PATH"])),
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": "",
            "OPENAI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": model.url,
            "CLAUDE_CODE_OAUTH_TOKEN": f"{ONE}, {TWO}",
            "CLAUDE_CODE_MAX_RETRIES": "1",
            "AGENT_SWARM_SANDBOX": "process",
            "YOLO": "true",
            "SHUTDOWN_TIMEOUT": "0",
        }

    async def start(self, **more: str) -> str:
        await asyncio.to_thread(self.swarm.start_server)
        return await self.start_worker(**more)

    async def start_worker(self, **more: str) -> str:
        return await asyncio.to_thread(lambda: self.swarm.start_worker(variables={**self.variables, **more}))

    async def done(self, prompt: str, harness: str | None = "claude", **more: Any) -> Any:
        """File a task, and wait until it is completed."""
        task_id = await self.file(prompt, harness, **more)
        await self.until(lambda: self.swarm.task(task_id)["status"] == "completed")
        return await asyncio.to_thread(self.swarm.task, task_id)

    async def file(self, prompt: str, harness: str | None = "claude", **more: Any) -> str:
        task = {"ref": "one", "title": "one", "prompt": prompt, **({"harness": harness} if harness else {}), **more}
        return (await asyncio.to_thread(self.swarm.file, task))["one"]

    async def until(self, condition: Callable[[], bool]) -> None:
        await asyncio.to_thread(self.swarm.wait_until, condition, "it is so")

    async def attempts(self, task_id: str) -> list[Any]:
        return list((await asyncio.to_thread(self.swarm.call, "GET", f"/api/tasks/{task_id}/attempts"))["attempts"])

    async def transcript(self, task_id: str) -> str:
        path = f"/api/tasks/{task_id}/attempts/1/transcript?limit=200"
        return json.dumps(await asyncio.to_thread(self.swarm.call, "GET", path))


def effects(counted: Path) -> list[str]:
    """How often the tool has had its effect."""
    return counted.read_text().splitlines()
