"""`agent-swarm config` and `key` as people use them: against a server, and on a data directory that none has open."""

import base64
import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli import conftest
from tests.cli.conftest import Ended, Run, caller, clean_environment

from agent_swarm.vault.keys import new_key

pytestmark = pytest.mark.slow

SECRET = "hunter2-hunter2-hunter2"

Swarm = Callable[..., Ended]


serving = partial(conftest.serving, unsaid=SECRET)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("server")
    with serving(clean_environment(folder), folder / "server") as environment:
        yield environment


@pytest.fixture
def swarm(server: dict[str, str]) -> Swarm:
    return caller(server)


def entries(swarm: Swarm, *arguments: str) -> Any:
    return json.loads(swarm("config", "list", "--json", *arguments).out)["entries"]


def test_given_a_plain_value_when_set_shown_listed_and_removed_then_each_says_what_it_did(swarm: Swarm) -> None:
    assert "plain" in swarm("config", "set", "NODE_ENV", "test").out
    assert swarm("config", "get", "NODE_ENV").out == "test\n"
    assert "NODE_ENV" in swarm("config", "list").out
    assert "removed NODE_ENV" in swarm("config", "rm", "NODE_ENV").out
    assert "nothing is stored under NODE_ENV" in swarm("config", "get", "NODE_ENV", code=1).err


@pytest.mark.parametrize("way", ["stdin", "file", "dash", "variable"])
def test_given_a_secret_when_it_is_set_quietly_then_it_is_shown_on_request_alone(
    swarm: Swarm, tmp_path: Path, way: str
) -> None:
    (tmp_path / "value").write_text(f"{SECRET}\n")
    arguments, options = {
        "stdin": ((), {"stdin": f"{SECRET}\n"}),
        "file": (("--from-file", str(tmp_path / "value")), {}),
        "dash": (("--from-file", "-"), {"stdin": SECRET}),
        "variable": (("--from-env", "MINE"), {"MINE": SECRET}),
    }[way]
    key = f"TOKEN_{way.upper()}"
    said = swarm("config", "set", key, "--secret", *arguments, **options)
    hidden = swarm("config", "get", key, code=1)
    listed = swarm("config", "list")
    assert SECRET not in said.out + said.err + hidden.out + hidden.err + listed.out
    assert "(secret)" in listed.out
    assert swarm("config", "get", key, "--show").out == f"{SECRET}\n"
    assert [one["value"] for one in entries(swarm, "--show") if one["key"] == key] == [SECRET]


def test_given_a_secret_on_the_command_line_when_it_is_set_then_it_is_refused(swarm: Swarm) -> None:
    assert "command line" in swarm("config", "set", "TOKEN", SECRET, "--secret", code=1).err
    swarm("config", "set", "TOKEN", "--secret", stdin=SECRET)
    refused = swarm("config", "set", "TOKEN", "another", code=1)
    assert "is a secret" in refused.err
    assert swarm("config", "get", "TOKEN", "--show").out == f"{SECRET}\n"


def test_given_a_terminal_when_a_secret_is_set_then_it_is_asked_for_without_being_shown(
    swarm: Swarm, server: dict[str, str]
) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "agent_swarm", "config", "set", "ASKED", "--secret"],
        env=server,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    ) as asking:
        os.close(terminal)
        shown = b""
        while b"value of ASKED" not in shown:
            shown += os.read(controller, 1024)
        os.write(controller, f"{SECRET}\n".encode())
        out, _ = asking.communicate(timeout=30)
    assert asking.returncode == 0
    assert SECRET.encode() not in shown + out
    assert swarm("config", "get", "ASKED", "--show").out == f"{SECRET}\n"


def test_given_scopes_when_values_are_set_then_the_most_specific_one_counts(swarm: Swarm, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path / "shop")], check=True)
    swarm("repo", "add", str(tmp_path / "shop"))
    swarm("config", "set", "PLACE", "everywhere")
    swarm("config", "set", "PLACE", "here", "--scope", "project:shop")
    assert swarm("config", "get", "PLACE", "--scope", "project:shop").out == "here\n"
    winners = {one["key"]: one["value"] for one in entries(swarm, "--resolved", "--project", "shop")}
    assert winners["PLACE"] == "here"
    assert [one["value"] for one in entries(swarm, "--scope", "project:shop")] == ["here"]
    swarm("config", "rm", "PLACE", "--scope", "project:shop")
    assert swarm("config", "get", "PLACE").out == "everywhere\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("config", "set", "api_key", "x"), 1, "reserved"),
        (("config", "set", "A", "x", "--scope", "nowhere"), 2, "is no scope"),
        (("config", "set", "A", "x", "--scope", "project:unknown"), 1, "no project"),
        (("config", "set", "A", "x", "--from-env", "B"), 2, "not both"),
        (("config", "set", "A", "--from-env", "NOT_SET"), 1, "NOT_SET is not set"),
        (("config", "rm"), 2, "--undecryptable"),
        (("config", "rm", "A", "--data-dir", "x"), 2, "are for --undecryptable"),
        (("key", "rotate", "--finish", "--give-up"), 2, "stand alone"),
        (("key", "rotate", "--finish"), 1, "not being changed"),
    ],
    ids=str,
)
def test_given_what_cannot_be_done_when_it_is_asked_for_then_it_says_why(
    swarm: Swarm, arguments: tuple[str, ...], code: int, said: str
) -> None:
    assert said in swarm(*arguments, code=code).err


def test_given_a_server_when_its_keys_are_looked_at_changed_and_verified_then_secrets_stay(swarm: Swarm) -> None:
    swarm("config", "set", "KEPT", "--secret", stdin=SECRET)
    before = json.loads(swarm("key", "status", "--json").out)
    after = json.loads(swarm("key", "rotate", "--data-key", "--json").out)
    assert after["masterKeyId"] != before["masterKeyId"]
    assert len(after["dataKeys"]) == 1
    assert after["dataKeys"][0]["version"] == before["dataKeys"][0]["version"] + 1
    assert "values opened" in swarm("key", "verify").out
    assert swarm("config", "get", "KEPT", "--show").out == f"{SECRET}\n"
    only = json.loads(swarm("key", "rotate", "--only-data-key", "--json").out)
    assert only["masterKeyId"] == after["masterKeyId"]


def test_given_a_database_that_a_server_has_open_when_it_is_worked_on_offline_then_that_is_refused(
    swarm: Swarm, server: dict[str, str]
) -> None:
    for command in (("config", "rm", "--undecryptable"), ("key", "rotate"), ("key", "verify")):
        refused = swarm(*command, "--data-dir", server["DATA_DIR"], code=1)
        assert "is in use (process" in refused.err


@pytest.fixture
def folder(environment: dict[str, str], tmp_path: Path) -> Path:
    """A data directory with a secret and a plain value, and no server."""
    with serving(environment, tmp_path / "data") as where:
        call = caller(where)
        call("config", "set", "TOKEN", "--secret", stdin=SECRET)
        call("config", "set", "PLAIN", "text")
    return tmp_path / "data"


def refusal(run: Run, folder: Path, **variables: str) -> str:
    """What a server says that does not start."""
    ended = run("api", "--port", "0", "--data-dir", str(folder), env=variables)
    assert ended.code == 1
    assert ended.out == ""
    return ended.err


def test_given_a_key_of_39_bytes_when_a_server_starts_then_it_says_so_and_how_to_make_one(
    run: Run, tmp_path: Path
) -> None:
    told = refusal(run, tmp_path / "new", SECRETS_ENCRYPTION_KEY=base64.b64encode(bytes(39)).decode())
    assert "Invalid encryption key in SECRETS_ENCRYPTION_KEY: got 39 bytes after base64 decode" in told
    assert "openssl rand -base64 32" in told
    assert not list((tmp_path / "new").glob("*.sqlite"))


def test_given_a_fresh_data_directory_when_a_server_starts_then_its_key_is_there_for_its_owner_alone(
    folder: Path,
) -> None:
    key = folder / ".encryption-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(base64.b64decode(key.read_text())) == 32


def test_given_a_lost_key_when_a_server_starts_then_it_refuses_until_what_it_cannot_open_is_removed(
    run: Run, environment: dict[str, str], folder: Path
) -> None:
    (folder / ".encryption-key").unlink()
    told = refusal(run, folder)
    assert "the encryption key is missing: 1 encrypted value" in told
    assert "agent-swarm config rm --undecryptable" in told
    assert not (folder / ".encryption-key").exists()

    removed = run("config", "rm", "--undecryptable", "--data-dir", str(folder))
    assert removed.code == 0, removed.err
    assert "removed TOKEN (global)" in removed.out
    with serving(environment, folder) as where:
        assert caller(where)("config", "get", "PLAIN").out == "text\n"


def test_given_the_wrong_key_when_a_server_starts_then_it_names_it_and_the_right_one_is_untouched(
    run: Run, environment: dict[str, str], folder: Path
) -> None:
    told = refusal(run, folder, SECRETS_ENCRYPTION_KEY=new_key().text)
    assert "the encryption key in SECRETS_ENCRYPTION_KEY is the wrong one" in told
    with serving(environment, folder) as where:
        assert caller(where)("config", "get", "TOKEN", "--show").out == f"{SECRET}\n"


def test_given_the_right_key_when_undecryptable_values_are_removed_then_there_are_none(run: Run, folder: Path) -> None:
    ended = run("config", "rm", "--undecryptable", "--data-dir", str(folder), "--json")
    assert json.loads(ended.out) == {"removed": [], "dataKeys": []}
    report = json.loads(run("key", "verify", "--data-dir", str(folder), "--json").out)
    assert (report["values"], report["unreadableCount"]) == (1, 0)


def test_given_a_stopped_data_directory_when_keys_are_changed_then_file_and_values_follow(
    run: Run, environment: dict[str, str], folder: Path
) -> None:
    before = (folder / ".encryption-key").read_text()
    ended = run("key", "rotate", "--data-key", "--data-dir", str(folder), "--json")
    assert ended.code == 0, ended.err
    assert [key["values"] for key in json.loads(ended.out)["dataKeys"]] == [1]
    assert (folder / ".encryption-key").read_text() != before
    with serving(environment, folder) as where:
        assert caller(where)("config", "get", "TOKEN", "--show").out == f"{SECRET}\n"


def test_given_a_key_from_the_environment_when_it_is_changed_then_each_step_is_said_and_the_next_start_ends_it(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    old, new = new_key(), new_key()
    (tmp_path / "new.key").write_text(new.text)
    with serving({**environment, "SECRETS_ENCRYPTION_KEY": old.text}, tmp_path / "data") as where:
        call = caller(where)
        call("config", "set", "TOKEN", "--secret", stdin=SECRET)
        assert "the new one has to be given" in call("key", "rotate", code=1).err
        said = call("key", "rotate", "--from-file", str(tmp_path / "new.key"))
        assert "set SECRETS_ENCRYPTION_KEY to the new key" in said.out
        assert "still runs with" in call("key", "rotate", "--finish", code=1).err
    with serving({**environment, "SECRETS_ENCRYPTION_KEY": new.text}, tmp_path / "data") as where:
        call = caller(where)
        assert call("config", "get", "TOKEN", "--show").out == f"{SECRET}\n"
        assert "to do" not in call("key", "status").out
    assert "wrong one" in refusal(run, tmp_path / "data", SECRETS_ENCRYPTION_KEY=old.text)
    assert not (tmp_path / "data" / ".encryption-key").exists()
