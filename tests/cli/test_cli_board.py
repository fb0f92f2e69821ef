"""What live views show."""

from typing import Any

import pytest
from tests.cli.recorded_server import RecordedServer, answer

from agent_swarm.cli.address import Server
from agent_swarm.cli.board import Board
from agent_swarm.cli.client import Client
from agent_swarm.cli.live import most_interesting

NOBODY = answer({"agents": []})


def task(name: str, status: str = "pending", finished_at: str | None = None) -> dict[str, Any]:
    return {"id": name, "title": name, "status": status, "agentId": None, "finishedAt": finished_at}


def about(*names: str) -> list[dict[str, Any]]:
    return [{"type": "task.progressed", "taskId": name} for name in names]


@pytest.fixture
def client(recorded_server: RecordedServer) -> Client:
    return Client(Server(recorded_server.url))


def test_given_tasks_asked_for_then_the_board_is_done_when_all_have_ended(
    client: Client, recorded_server: RecordedServer
) -> None:
    board = Board(client, ["a", "b"])
    recorded_server.will(answer(task("a")), answer(task("b", "completed")), NOBODY)
    board.read()
    assert not board.is_done()
    recorded_server.answers.clear()
    recorded_server.will(answer(task("a", "failed")))
    board.apply(about("a", "stranger"))
    assert board.is_done()
    assert recorded_server.requests[-1].path == "/api/tasks/a"


def test_given_no_tasks_asked_for_then_new_ones_come_in_the_order_of_their_events(
    client: Client, recorded_server: RecordedServer
) -> None:
    board = Board(client)
    recorded_server.will(answer({"tasks": [task("old")], "nextCursor": None}), NOBODY)
    board.read()
    recorded_server.answers.clear()
    recorded_server.will(answer(task("z")), answer(task("a")))
    board.apply(about("z", "a", "z"))
    assert list(board.tasks) == ["old", "z", "a"]
    assert not board.is_done()


def test_given_a_reset_then_everything_is_read_anew_and_what_ended_meanwhile_is_kept(
    client: Client, recorded_server: RecordedServer
) -> None:
    board = Board(client)
    recorded_server.will(answer({"tasks": [task("a")], "nextCursor": None}), NOBODY)
    board.read()
    recorded_server.answers.clear()
    recorded_server.will(answer({"tasks": [], "nextCursor": None}), answer(task("a", "completed")), NOBODY)
    board.apply([{"type": "reset"}])
    assert board.tasks["a"]["status"] == "completed"


def test_given_more_tasks_than_room_then_running_ones_stay_and_the_earliest_ended_go() -> None:
    tasks = [
        task("early", "completed", "2026-11-20T18:00:00Z"),
        task("waiting"),
        task("late", "completed", "2026-11-20T19:00:00Z"),
        task("running", "running"),
    ]
    assert [kept["id"] for kept in most_interesting(tasks, 3)] == ["waiting", "late", "running"]
    assert [kept["id"] for kept in most_interesting(tasks, 1)] == ["running"]
    assert most_interesting(tasks, 4) == tasks
