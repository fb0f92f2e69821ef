"""`agent-swarm user` against a real server: people come, log in, and are shown out."""

import http.client
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import Ended, Run
from tests.cli.recorded_server import RecordedServer
from tests.cli.test_cli_with_server import Swarm, swarm

__all__ = ["swarm"]  # a fixture

PASSWORD = "correct horse battery staple"


def log_in(server: dict[str, str], name: str, password: str = PASSWORD) -> tuple[int, Any]:
    parts = urlsplit(server["AGENT_SWARM_URL"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = json.dumps({"username": name, "password": password})
    connection.request("POST", "/api/auth/token", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    status, content = answer.status, json.loads(answer.read())
    connection.close()
    return status, content


@pytest.mark.slow
def test_given_a_person_when_looked_after_by_command_then_what_they_may_do_follows(
    server: dict[str, str], swarm: Swarm
) -> None:
    assert swarm("user", "add", "ada", "--role", "operator", stdin=f"{PASSWORD}\n").out == "ada  operator\n"
    status, pair = log_in(server, "ada")
    assert (status, pair["role"]) == (200, "operator")

    own = {**server, "AGENT_SWARM_TOKEN": pair["accessToken"]}
    filed = subprocess.run(
        [sys.executable, "-m", "agent_swarm", "task", "add", "echo hi", "--json"],
        env=own, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(filed.stdout)["createdBy"] == "user:ada"
    refused = subprocess.run(
        [sys.executable, "-m", "agent_swarm", "user", "list"],
        env=own, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (refused.returncode, "users:admin" in refused.stderr) == (1, True)

    assert "user:ada" in swarm("user", "sessions").out
    assert swarm("user", "role", "ada", "viewer").out == "ada  viewer\n"
    swarm("user", "password", "ada", stdin="another horse battery\n")
    assert (log_in(server, "ada")[0], log_in(server, "ada", "another horse battery")[0]) == (401, 200)
    assert swarm("user", "revoke", "--user", "ada").out == "ended\n"
    assert swarm("user", "disable", "ada").out == "ada  viewer, disabled\n"
    assert log_in(server, "ada", "another horse battery")[0] == 401
    swarm("user", "enable", "ada")
    listed = json.loads(swarm("user", "list", "--json").out)["users"]
    assert [(one["name"], one["role"], one["isDisabled"]) for one in listed] == [("ada", "viewer", False)]
    assert "signs from now on" in swarm("user", "rotate-keys").out
    swarm("user", "remove", "ada")
    assert "no users" in swarm("user", "list").err
    assert "there is no user 'ada'" in swarm("user", "role", "ada", "admin", code=1).err


def test_given_no_password_when_a_user_is_added_then_it_is_asked_for_and_nothing_is_sent(
    run: Run, recorded_server: RecordedServer
) -> None:
    ended: Ended = run("user", "add", "ada", env={"AGENT_SWARM_URL": recorded_server.url})

    assert (ended.code, "no password came on standard input" in ended.err) == (1, True)


def test_given_a_password_as_an_argument_when_a_user_is_added_then_there_is_no_such_option(run: Run) -> None:
    assert run("user", "add", "ada", "--password", "x").code == 2
    assert run("user", "revoke").code == 2


@pytest.mark.slow
def test_given_a_terminal_when_a_password_is_typed_then_it_is_not_shown_and_typed_twice(
    server: dict[str, str], tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "agent_swarm", "user", "add", "tty-user"],
        env=server, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path, start_new_session=True,
    ) as running:  # fmt: skip
        os.close(theirs)
        shown = b""
        for prompt in (b"Password:", b"Repeat for confirmation:"):
            while prompt not in shown:
                shown += os.read(ours, 1024)
            os.write(ours, f"{PASSWORD}\n".encode())
        assert running.stdout is not None
        told = running.stdout.read().decode()
        assert running.wait(30) == 0
    os.close(ours)

    assert told == "tty-user  viewer\n"
    assert PASSWORD.encode() not in shown
