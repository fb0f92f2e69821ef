"""The worker as a process of its own: killed, started twice, and searched for the server's key."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from agent_swarm.domain.tasks import AttemptOutcome, TaskStatus
from agent_swarm.testing.fake_pool import API_KEY, FakePool
from agent_swarm.testing.lifeline import FAMILY, FAMILY_SIZE, HOLD, Lifeline
from agent_swarm.testing.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

AGENT_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class WorkerProcess:
    """`python -m agent_swarm.worker`, with its log in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.log.read_text()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()


Spawn = Callable[..., AbstractAsyncContextManager[WorkerProcess]]


@pytest.fixture
def spawn(tmp_path: Path, signals: Path) -> Spawn:
    """`async with spawn(server.url, MAX_CONCURRENT_TASKS="2") as process:`"""
    count = 0

    @asynccontextmanager
    async def start(url: str, **more: str) -> AsyncIterator[WorkerProcess]:
        nonlocal count
        count += 1
        log = tmp_path / f"worker-{count}.log"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "API_KEY": API_KEY,
            "AGENT_ID": AGENT_ID.upper(),
            "MCP_BASE_URL": url,
            "AGENT_SWARM_WRITABLE": str(signals),
            **more,
        }
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent_swarm.worker", env=environ, stdout=file, stderr=file, cwd=tmp_path
            )
        try:
            yield WorkerProcess(process, log)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return start


def home(tmp_path: Path) -> Path:
    return tmp_path / ".agent-swarm" / "workers" / AGENT_ID


async def test_given_a_worker_killed_in_the_middle_when_it_starts_again_then_its_agents_are_dead_and_the_task_is_redone(
    spawn: Spawn, signals: Path
) -> None:
    with Lifeline(signals) as lifeline:
        async with FakePool() as server:
            script = f"if mkdir {signals}/seen; then echo begun; cd {signals}; {HOLD}{FAMILY}wait; fi; echo over"
            async with spawn(server.url) as first:
                task_id = server.add_task(script)
                task = server.tasks[task_id]
                await lifeline.heard_from(FAMILY_SIZE)
                await server.until(lambda: "begun" in task.attempt.texts())
                first.kill()
                await lifeline.released()
            async with spawn(server.url):
                await server.until_status(task_id, TaskStatus.COMPLETED)
            assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.FAILED, AttemptOutcome.COMPLETED]
            assert (task.attempts[0].code, task.attempt.texts()) == ("workerLost", ["over"])
            assert len({registration.instance_id for registration in server.registrations}) == 2


async def test_given_a_spooled_result_when_the_worker_is_killed_before_it_is_acknowledged_then_the_next_one_delivers_it(
    spawn: Spawn, tmp_path: Path, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server:
        async with spawn(server.url) as first:
            task_id = server.add_task(f"echo up; while [ ! -e {go_on} ]; do sleep 0.01; done; echo precious")
            task = server.tasks[task_id]
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            await server.stop()
            go_on.touch()
            spool = home(tmp_path) / "attempts" / task_id / "1" / "spool.jsonl"
            await until(lambda: '"k":"complete"' in spool.read_text())
            first.kill()
        await server.start()
        async with spawn(server.url):
            await server.until_status(task_id, TaskStatus.COMPLETED)
        assert (len(task.attempts), task.results) == (1, 1)
        assert task.result is not None and task.result.text == "up\nprecious"
        assert task.attempt.texts() == ["up", "precious"]
        assert server.registrations[-1].held[0].task_id == task_id


async def test_given_a_result_of_a_lease_that_is_over_when_the_next_start_delivers_it_then_it_is_noted_and_work_goes_on(
    spawn: Spawn, tmp_path: Path, signals: Path
) -> None:
    go_on = signals / "go-on"
    async with FakePool() as server:
        async with spawn(server.url) as first:
            script = f"mkdir {signals}/seen || exit 0; echo up; while [ ! -e {go_on} ]; do sleep 0.01; done"
            task_id = server.add_task(script)
            task = server.tasks[task_id]
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            await server.stop()
            go_on.touch()
            spool = home(tmp_path) / "attempts" / task_id / "1" / "spool.jsonl"
            await until(lambda: '"k":"complete"' in spool.read_text())
            first.kill()
        server.take_away(task_id)
        await server.start()
        async with spawn(server.url):
            await server.until_status(task_id, TaskStatus.COMPLETED)
            await until((home(tmp_path) / "refused.jsonl").exists)
        refused = json.loads((home(tmp_path) / "refused.jsonl").read_text())
        assert (refused["frame"], refused["code"], refused["attempt"]) == ("complete", "staleLease", 1)
        assert [attempt.outcome for attempt in task.attempts] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]


async def test_given_a_running_worker_when_another_process_starts_as_the_same_agent_then_it_says_so_in_one_line(
    spawn: Spawn,
) -> None:
    async with FakePool() as server, spawn(server.url) as first:
        await server.until(lambda: server.agents)
        async with spawn(server.url) as second:
            assert await second.process.wait() == 1
            (line,) = [json.loads(line) for line in second.said.splitlines()]
            assert line["level"] == "error"
            assert f"a worker already runs as agent {AGENT_ID} (process {first.process.pid})" in line["reason"]
        assert len(server.registrations) == 1


async def test_given_ctrl_c_when_nothing_runs_then_the_worker_leaves_with_exit_code_0(spawn: Spawn) -> None:
    async with FakePool() as server, spawn(server.url) as worker:
        await server.until(lambda: any(agent.credits for agent in server.agents.values()))
        worker.process.send_signal(signal.SIGINT)
        assert await worker.process.wait() == 0
        assert next(iter(server.agents.values())).is_gone
        assert "Traceback" not in worker.said


async def test_given_the_servers_key_when_agents_look_for_it_then_it_is_nowhere_a_run_can_see_or_leave(
    spawn: Spawn, tmp_path: Path
) -> None:
    """Environment, command lines, files of the worker's folder, log, and what was sent."""
    secret = "canary-7f3a9c1e5b"
    look = "env; cat /proc/$$/environ | tr '\\0' '\\n'; cat /proc/$PPID/environ | tr '\\0' '\\n'; ps -eo args || true"
    passed = {"AGENT_SWARM_PASS_ENV": "API_KEY,AGENT_SWARM_API_KEY,COPY,FINE", "COPY": f"x{secret}x", "FINE": "fine"}
    async with FakePool(api_key=secret) as server:
        async with spawn(server.url, API_KEY=secret, GITHUB_TOKEN="ghp_" + "c" * 36, **passed) as worker:
            task_id = server.add_task(f"{look}; echo up; sleep 1000")
            task = server.tasks[task_id]
            await server.until(lambda: task.attempts and "up" in task.attempt.texts())
            lines = "\n".join(task.attempt.texts())
            assert "FINE=fine" in lines and "COPY=" not in lines and "API_KEY=" not in lines
            assert "[redacted]" not in lines.replace("AGENT_SWARM_TOKEN=[redacted]", "")
            agents = psutil.Process(worker.process.pid).children(recursive=True)
            assert agents
            for process in agents:
                environment = process.environ() if process.pid else {}
                assert secret not in " ".join([*process.cmdline(), *environment.values()])
            for path in home(tmp_path).rglob("*"):
                assert not path.is_file() or secret.encode() not in path.read_bytes(), path
            assert secret not in worker.said
            assert not re.search("ghp_c{30}", worker.said + lines)
        assert secret not in json.dumps([frame.body for frame in server.frames])


def test_given_a_worker_host_when_the_worker_is_imported_then_nothing_of_the_server_comes_with_it() -> None:
    foreign = ("fastapi", "starlette", "uvicorn", "sqlalchemy", "alembic", "orjson", "prometheus_client", "psycopg")
    ours = tuple(f"agent_swarm.{name}" for name in ("server", "services", "store", "cli", "pool", "vault"))
    program = (
        f"import sys, agent_swarm.worker.main; print([m for m in sys.modules if m.startswith({foreign + ours!r})])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
