"""`agent-swarm import`, as people and scripts run it."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.importing.foreign_swarm import KEY, DesplegaSwarm, a_swarm, write_folders

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.cli.importing.desplega import keys_for
from agent_swarm.testing import postgres

pytestmark = pytest.mark.slow
WRONG = b64encode(bytes(32)).decode()
RIGHT = b64encode(KEY).decode()


@pytest.fixture
def swarm(tmp_path: Path) -> DesplegaSwarm:
    swarm = a_swarm(tmp_path / "theirs")
    swarm.entry("GITHUB_TOKEN", "ghp_value", sealed_with=KEY)
    return swarm


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def test_given_secrets_when_the_key_is_missing_wrong_or_typed_then_only_the_right_one_opens_them(
    swarm: DesplegaSwarm, tmp_path: Path, run: Run
) -> None:
    command = ("import", "desplega", str(swarm.path), "--data-dir", str(tmp_path / "ours"), "--dry-run", "--json")
    absent = run(*command)
    assert (absent.code, "no key was given" in absent.err) == (1, True)
    wrong = run(*command, env={"SECRETS_ENCRYPTION_KEY": WRONG})
    assert (wrong.code, "the key opens none of the 1 encrypted entries" in wrong.err) == (1, True)
    assert not (tmp_path / "ours").exists()
    done = run(*command, "--key", "-", stdin=f"{RIGHT}\n")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["imported"]["tasks"], told["dryRun"], told["changed"]) == (4, True, False)
    refused = run(*command, "--key", RIGHT)
    assert (refused.code, "give - and type or pipe it" in refused.err) == (2, True)
    assert RIGHT not in refused.out + refused.err


def test_given_several_keys_when_they_are_looked_for_then_what_was_named_goes_first(
    swarm: DesplegaSwarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRETS_ENCRYPTION_KEY", "SECRETS_ENCRYPTION_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    keys = [bytes([number]) * 32 for number in range(4)]
    assert keys_for(swarm.path, None, asked=False) == []
    (swarm.path.parent / ".encryption-key").write_text(keys[0].hex())
    assert keys_for(swarm.path, None, asked=False) == [keys[0]]
    (tmp_path / "mounted").write_text(f"{b64encode(keys[1]).decode()}\n")
    monkeypatch.setenv("SECRETS_ENCRYPTION_KEY_FILE", str(tmp_path / "mounted"))
    assert keys_for(swarm.path, None, asked=False) == [keys[1], keys[0]]
    monkeypatch.setenv("SECRETS_ENCRYPTION_KEY", keys[2].hex())
    assert keys_for(swarm.path, None, asked=False) == [keys[2], keys[1], keys[0]]
    (tmp_path / "named").write_text(keys[3].hex())
    assert keys_for(swarm.path, tmp_path / "named", asked=False) == [keys[3]]
    with pytest.raises(CommandFailed, match="cannot be read from"):
        keys_for(swarm.path, tmp_path / "absent", asked=False)


def test_given_a_key_of_ours_in_the_environment_when_theirs_lies_beside_then_each_opens_its_own(
    swarm: DesplegaSwarm, tmp_path: Path, run: Run
) -> None:
    swarm.entry("NPM_TOKEN", "npm_in_plain_text", isSecret=1)
    (swarm.path.parent / ".encryption-key").write_text(RIGHT)
    ours = tmp_path / "ours"
    command = ("import", "desplega", str(swarm.path), "--data-dir", str(ours))
    done = run(*command, env={"SECRETS_ENCRYPTION_KEY": WRONG})
    assert done.code == 0, done.err
    assert "4 tasks, 1 schedule, 2 entries of configuration from" in done.out
    [backup] = ours.glob("agent-swarm-db.sqlite.backup.secrets-*.env")
    assert f"WARNING: secrets that lay in plain text were encrypted; {backup} has them IN PLAIN TEXT" in done.err
    assert "NPM_TOKEN" in backup.read_text()
    for file in (one for one in ours.rglob("*") if one.is_file() and one != backup):
        assert b"ghp_value" not in file.read_bytes()
        assert b"npm_in_plain_text" not in file.read_bytes()
    other = run("key", "verify", "--data-dir", str(ours), "--json", env={"SECRETS_ENCRYPTION_KEY": RIGHT})
    assert other.code == 1
    verified = run("key", "verify", "--data-dir", str(ours), "--json", env={"SECRETS_ENCRYPTION_KEY": WRONG})
    assert json.loads(verified.out)["values"] == 2, verified.err
    again = run(*command, env={"SECRETS_ENCRYPTION_KEY": WRONG})
    assert again.out.startswith("nothing to import: ")
    refused = run(*command, env={"SECRETS_ENCRYPTION_KEY": b64encode(bytes([9]) * 32).decode()})
    assert (refused.code, "give that of the other swarm with --key-file" in refused.err) == (1, True)


def test_given_their_swarm_when_it_is_imported_twice_then_people_are_told_what_happened(
    swarm: DesplegaSwarm, tmp_path: Path, run: Run
) -> None:
    command = ("import", "desplega", str(swarm.path), "--data-dir", str(tmp_path / "ours"))
    first = run(*command, env={"SECRETS_ENCRYPTION_KEY": RIGHT})
    assert (first.code, first.out.splitlines()[0]) == (
        0,
        f"imported 2 agents, 1 project, 4 tasks, 1 schedule, 1 entry of configuration from {swarm.path} "
        f"into sqlite:{tmp_path}/ours/agent-swarm-db.sqlite",
    )
    assert "not imported: 1 record of a kind that has no place here" in first.err
    assert f"all that was not imported is in {tmp_path}/ours/imports/desplega-" in first.err
    assert "ghp_value" not in first.out + first.err
    again = run(*command, env={"SECRETS_ENCRYPTION_KEY": RIGHT})
    assert (again.code, again.out.startswith("nothing to import: ")) == (0, True)
    assert "not imported: 1 record" in again.err


def test_given_no_key_of_ours_when_secrets_are_imported_then_one_is_made_and_told_beside_the_json(
    swarm: DesplegaSwarm, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "key").write_text(RIGHT)
    ours = tmp_path / "ours"
    command = ("import", "desplega", str(swarm.path), "--key-file", str(tmp_path / "key"), "--data-dir", str(ours))
    done = run(*command, "--json")
    assert json.loads(done.out)["imported"]["config"] == 1
    assert f"note: made the encryption key {ours / '.encryption-key'}; back it up" in done.err


def test_given_the_plugins_folders_when_they_are_imported_then_it_is_told(tmp_path: Path, run: Run) -> None:
    write_folders(tmp_path / "theirs", {"tasks": {"task-1.json": {"title": "Create Button"}}})
    done = run("import", "swarm-plugin", str(tmp_path / "theirs"), "--data-dir", str(tmp_path / "ours"))
    assert (done.code, done.out.startswith("imported 1 task from ")) == (0, True)
    assert run("import", "swarm-plugin", str(tmp_path / "none"), "--data-dir", str(tmp_path / "ours")).code == 1


def test_given_a_postgres_database_when_it_is_imported_into_then_the_same_comes_there_once(
    swarm: DesplegaSwarm, tmp_path: Path, run: Run, postgres_server: str
) -> None:
    with postgres.database(postgres_server) as url:
        command = ("import", "desplega", str(swarm.path), "--data-dir", str(tmp_path / "ours"), "--json")
        variables = {"SECRETS_ENCRYPTION_KEY": RIGHT, "AGENT_SWARM_DATABASE_URL": url}
        told = [run(*command, *more, env=variables) for more in (("--dry-run",), (), ())]
        assert [one.code for one in told] == [0, 0, 0], told[0].err
        dry, first, again = (json.loads(one.out) for one in told)
        assert (
            dry["imported"]
            == first["imported"]
            == {"agents": 2, "projects": 1, "swarms": 0, "tasks": 4, "messages": 0, "schedules": 1, "config": 1}
        )
        assert (first["changed"], again["changed"]) == (True, False)
