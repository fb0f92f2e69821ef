"""`agent-swarm audit`, as people and scripts run it: the exit code says how a check ended."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.audit import history
from tests.cli.conftest import Run

from agent_swarm.cli.audit.places import places
from agent_swarm.store.address import SqliteAddress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a history, as a server leaves it; not to be changed."""
    home = tmp_path_factory.mktemp("home")
    address = SqliteAddress(home / "agent-swarm-db.sqlite")
    history.with_notary(address, home / "audit", history.grow)
    (home / "audit" / "audit-key").rename(home / "audit-key")
    return home


@pytest.fixture
def home(grown: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grown, tmp_path / "data"))


def spoil(home: Path, seq: int) -> None:
    address = SqliteAddress(home / "agent-swarm-db.sqlite")
    state = history.read_state(address)
    rows = list(state.rows)
    rows[seq - 1] = history.changed(rows[seq - 1], actor="somebody else")
    history.write_state(address, history.State(tuple(rows), state.head))


def test_given_a_whole_history_when_it_is_verified_then_it_exits_0_and_says_what_is_only_chained(
    run: Run, home: Path
) -> None:
    done = run("audit", "verify", "--data-dir", str(home))
    assert (done.code, done.err) == (0, "")
    assert "whole: events 1 to 61" in done.out
    assert "5 events after it are chained, not signed" in done.out

    part = json.loads(run("audit", "verify", "--data-dir", str(home), "--from-seq", "30", "--json").out)
    assert (part["whole"], part["fromSeq"], part["events"]) == (True, 30, 32)


def test_given_a_history_that_was_tampered_with_when_it_is_verified_then_it_exits_1_and_says_where(
    run: Run, home: Path
) -> None:
    spoil(home, 17)

    told = run("audit", "verify", "--data-dir", str(home))
    assert told.code == 1
    assert "altered: event 17 was changed" in told.out
    assert "NOT WHOLE" in told.out and "the first bad one is 17" in told.out
    found = run("audit", "verify", "--data-dir", str(home), "--json")
    assert (found.code, json.loads(found.out)["firstBadSeq"]) == (1, 17)


@pytest.mark.parametrize("lost", ["checkpoints", "database", "key", "no file of checkpoints"])
def test_given_nothing_to_check_by_when_a_history_is_verified_then_it_exits_2(run: Run, home: Path, lost: str) -> None:
    arguments = ["audit", "verify", "--data-dir", str(home)]
    if lost == "checkpoints":
        shutil.rmtree(home / "audit")
    elif lost == "database":
        (home / "agent-swarm-db.sqlite").unlink()
    elif lost == "key":
        arguments += ["--public-key", str(home / "nothing.pub")]
    else:
        arguments += ["--checkpoints", str(home / "nothing.jsonl")]

    told = run(*arguments)
    assert told.code == 2
    assert "error:" in told.err and "hint:" in told.err
    as_json = run(*arguments, "--json")
    assert (as_json.code, json.loads(as_json.out)["whole"]) == (2, None)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_given_an_export_when_it_is_verified_elsewhere_then_it_stands_by_itself(
    run: Run, home: Path, tmp_path: Path, form: str
) -> None:
    out, elsewhere = tmp_path / f"out.{form}", tmp_path / "elsewhere"
    done = run("audit", "export", "--data-dir", str(home), "--format", form, "--from-seq", "20", "-o", str(out))
    assert done.code == 0, done.err
    elsewhere.mkdir()
    shutil.copy(home / "audit" / "checkpoints.jsonl", elsewhere)
    shutil.rmtree(home)

    check = ("audit", "verify", "--export", str(out), "--checkpoints", str(elsewhere / "checkpoints.jsonl"), "--json")
    whole = json.loads(run(*check).out)
    assert (whole["whole"], whole["fromSeq"], whole["toSeq"]) == (True, 20, 61)
    out.write_bytes(out.read_bytes().replace(b"operator", b"operatoR", 3))
    assert run(*check).code in (1, 2)


def test_given_bounds_when_events_are_exported_then_only_those_come(run: Run, home: Path) -> None:
    lines = run("audit", "export", "--data-dir", str(home), "--from-seq", "3", "--to", "5").out.strip().split("\n")
    assert [json.loads(line)["seq"] for line in lines] == [3, 4, 5]
    assert run("audit", "export", "--data-dir", str(home), "--since", "2100-01-01T00:00:00Z").out == ""
    both = run("audit", "export", "--data-dir", str(home), "--since", "09:00", "--from-seq", "3")
    assert both.code == 2


def test_given_settings_when_places_are_looked_for_then_they_are_those_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[server]\naudit_dir = "/worm"\n', encoding="utf-8")
    assert places(tmp_path, {}).checkpoints == Path("/worm/checkpoints.jsonl")
    named = places(tmp_path, {"AGENT_SWARM_AUDIT_DIR": "/other", "AGENT_SWARM_AUDIT_KEY_FILE": "/run/key"})
    assert (named.archives, named.key) == (Path("/other/archives"), Path("/run/key"))


def test_given_a_running_server_when_its_history_is_signed_archived_and_verified_then_it_stays_whole(
    run: Run, server: dict[str, str]
) -> None:
    def told(*arguments: str) -> Any:
        done = run("audit", *arguments, "--json", env=server)
        assert done.code == 0, done.err
        return json.loads(done.out)

    for number in range(3):
        assert run("task", "add", "-q", f"echo {number}", env=server).code == 0
    assert [event["actor"] for event in told("log", "--type", "task.*")["events"]] == ["operator"] * 3
    assert told("checkpoint")["number"] >= 2
    key = run("audit", "key", env=server).out
    assert key.startswith("-----BEGIN PUBLIC KEY-----")
    told("rotate-key")
    assert told("key")["pem"].strip() != key.strip()
    assert [one["number"] for one in told("checkpoints", "--limit", "2")["checkpoints"]] == [4, 3]
    assert told("verify", "--server")["whole"]
    (archived,) = told("archive", "--before", "1s")["archived"]
    assert archived["fromSeq"] == 1
    assert told("verify")["whole"]
    assert told("verify", "--server")["fromSeq"] == archived["toSeq"] + 1
    file = Path(server["DATA_DIR"]) / "audit" / "archives" / archived["file"]
    by = ("--checkpoints", str(Path(server["DATA_DIR"]) / "audit" / "checkpoints.jsonl"))
    assert told("verify", "--export", str(file), *by)["toSeq"] == archived["toSeq"]
    assert "WHO" in run("audit", "log", env=server).out


def test_given_no_server_when_it_is_asked_to_verify_then_it_could_not_be_checked(run: Run) -> None:
    assert run("audit", "verify", "--server", env={"AGENT_SWARM_URL": "http://127.0.0.1:9"}).code == 2
