"""The agent's folder, its identity, and its health page."""

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.config import SettingError
from agent_swarm.testing.fake_pool import FakePool
from agent_swarm.worker.health import serving_health
from agent_swarm.worker.home import HomeInUse, WorkerHome
from agent_swarm.worker.identity import agent_id_for

ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def test_given_an_agent_id_when_asked_for_then_it_is_used_in_lower_case(tmp_path: Path) -> None:
    assert agent_id_for(ID.upper(), "ada", tmp_path) == ID


def test_given_no_agent_id_when_asked_for_by_name_then_the_same_name_gets_the_same_id_again(tmp_path: Path) -> None:
    ada = agent_id_for("", "ada", tmp_path)
    assert agent_id_for("", "ada", tmp_path) == ada
    assert agent_id_for("", "bob/../bob", tmp_path) != ada


def test_given_a_locked_folder_when_another_process_wants_it_then_it_is_told_which_one_has_it(tmp_path: Path) -> None:
    home = WorkerHome(tmp_path / ID)
    with home.locked(), pytest.raises(HomeInUse, match=rf"already runs as agent {ID} \(process \d+\)"), home.locked():
        pass
    with home.locked():
        pass


def test_given_many_refusals_when_noted_then_the_files_stay_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.worker.home.REFUSED_BYTES", 1000)
    home = WorkerHome(tmp_path)
    for number in range(200):
        home.note_refused({"number": number, "text": "x" * 50})
    assert sum(path.stat().st_size for path in tmp_path.glob("refused*")) < 3000
    assert '"number": 199' in (tmp_path / "refused.jsonl").read_text()


@pytest.mark.anyio
async def test_given_a_worker_when_its_health_is_asked_for_then_it_says_who_it_is_and_what_runs(
    start_worker: StartWorker,
) -> None:
    port = await free_port()
    async with FakePool() as server, start_worker(server.url, port=port):
        task_id = server.add_task("echo up; sleep 1000")
        task = server.tasks[task_id]
        await server.until(lambda: task.attempts and "up" in task.attempt.texts())
        status, body = await asyncio.to_thread(get, port, "/health")
        assert (status, body["status"], body["connected"]) == (200, "ok", True)
        assert body["running"] == [{"taskId": task_id, "attempt": 1, "cut": False}]
        assert (await asyncio.to_thread(get, port, "/other"))[0] == 404


@pytest.mark.anyio
async def test_given_nonsense_when_it_is_sent_to_the_health_page_then_the_connection_is_closed() -> None:
    port = await free_port()
    async with serving_health("127.0.0.1", port, dict):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 20_000)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.anyio
async def test_given_a_port_that_is_taken_when_health_is_served_then_the_message_names_it() -> None:
    port = await free_port()
    async with serving_health("127.0.0.1", port, dict):
        with pytest.raises(SettingError, match=f"127.0.0.1:{port}"):
            async with serving_health("127.0.0.1", port, dict):
                pass


def get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


async def free_port() -> int:
    """A port that nobody has right now."""
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return port
