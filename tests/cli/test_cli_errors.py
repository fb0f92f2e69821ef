"""How the program fails: what happened, what to do, and an exit code that scripts can rely on."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run, started
from tests.cli.recorded_server import RecordedServer, answer, refusal, stream

TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("task", "list"),
        ("task", "show", TASK),
        ("task", "watch", TASK),
        ("task", "logs", TASK, "-f"),
        ("agent", "ls"),
        ("repo", "ls"),
        ("overview",),
        ("watch",),
    ],
    ids=" ".join,
)
def test_given_no_server_then_every_command_exits_3_and_says_how_to_start_one(
    arguments: tuple[str, ...], run: Run, closed: str
) -> None:
    ended = run("--url", closed, *arguments)
    assert (ended.code, ended.out) == (3, "")
    first, second = ended.err.splitlines()
    assert first == f"error: no server answers at {closed}: Connection refused"
    assert second == " hint: start one with: agent-swarm up"


def test_given_a_key_that_is_not_known_then_it_exits_3(run: Run, recorded_server: RecordedServer) -> None:
    recorded_server.will(refusal("unauthenticated", 401, "this token is not known"))
    ended = run("task", "list", "--url", recorded_server.url, env={"API_KEY": "wrong"})
    assert ended.code == 3
    assert "wrong" not in ended.err


def test_given_a_refusal_then_it_exits_1_with_message_and_hint(run: Run, recorded_server: RecordedServer) -> None:
    recorded_server.will(refusal("illegalTransition", 409, "cannot pause task 'x': it is completed", "it has ended"))
    ended = run("task", "pause", TASK, "--url", recorded_server.url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "error: cannot pause task 'x': it is completed\n hint: it has ended\n"


def test_given_several_tasks_and_one_refusal_then_the_others_are_done_and_it_exits_1(
    run: Run, recorded_server: RecordedServer
) -> None:
    done = {"id": TASK, "status": "cancelled", "title": "Build"}
    recorded_server.will(refusal("unknownTask", 404, "no such task"), answer(done))
    ended = run("task", "cancel", TASK, TASK, "--url", recorded_server.url)
    assert ended.code == 1
    assert "456789ab  cancelled  Build" in ended.out
    assert "no such task" in ended.err


def test_given_words_of_a_server_that_steer_a_terminal_then_they_do_not_reach_it(
    run: Run, recorded_server: RecordedServer
) -> None:
    recorded_server.will(refusal("conflict", 409, "before\x1b[2Jafter"))
    assert "\x1b" not in run("task", "pause", TASK, "--url", recorded_server.url).err


def test_given_a_command_that_does_not_exist_then_it_exits_2_and_proposes_the_nearest(run: Run) -> None:
    ended = run("taks")
    assert ended.code == 2
    assert "Did you mean" in ended.err
    assert "'task'" in ended.err


def test_given_an_env_file_then_its_variables_count(run: Run, recorded_server: RecordedServer, tmp_path: Path) -> None:
    recorded_server.will(answer({"agents": []}))
    file = tmp_path / "swarm.env"
    file.write_text(f'# mine\nexport AGENT_SWARM_URL="{recorded_server.url}"\nAPI_KEY=from-file\n')
    for place in (("--env-file", str(file), "agent", "ls"), ("agent", "ls", "--env-file", str(file))):
        ended = run(*place, env={"API_KEY": "from-environment"})
        assert ended.code == 0, ended.err
        assert recorded_server.requests[-1].headers["authorization"] == "Bearer from-file"


def test_given_an_env_file_that_is_not_there_then_it_exits_2_and_names_it(run: Run) -> None:
    ended = run("--env-file", "nowhere.env", "agent", "ls")
    assert ended.code == 2
    assert "error: cannot read the env file nowhere.env" in ended.err


def test_given_a_setting_that_cannot_be_used_then_it_exits_2_and_names_it(run: Run) -> None:
    ended = run("worker", env={"MAX_CONCURRENT_TASKS": "many", "API_KEY": "k"})
    assert ended.code == 2
    assert "MAX_CONCURRENT_TASKS: 'many' is not a number from 1 to 1000" in ended.err


def test_given_a_reader_that_leaves_then_there_is_no_traceback(
    environment: dict[str, str], recorded_server: RecordedServer
) -> None:
    recorded_server.will(answer({"projects": [_project(number) for number in range(5000)]}))
    program = f"{sys.executable} -m agent_swarm repo ls --json --url {recorded_server.url} | head -1"
    done = subprocess.run(["sh", "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_given_ctrl_c_while_following_events_then_it_exits_130_without_a_traceback(
    environment: dict[str, str], recorded_server: RecordedServer
) -> None:
    happened = f'data: {{"seq": 1, "type": "task.ready", "at": "2026-11-20T18:00:00Z", "subject": {{"id": "{TASK}"}}}}'
    recorded_server.will(stream(""), answer({"agents": []}), answer({"killed": []}), stream(f"id: 1\n{happened}\n\n"))
    with started(environment, "watch", "--url", recorded_server.url) as running:
        assert running.stdout is not None
        assert "its time has come" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in said


def _project(number: int) -> dict[str, object]:
    return {
        "id": str(number),
        "name": f"n{number}",
        "repoUrl": "/x",
        "defaultBranch": "",
        "createdAt": "2026-11-20T18:00:00Z",
    }
