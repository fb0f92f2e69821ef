"""`agent-swarm auth`, against a real server."""

import json
import time
from pathlib import Path

import pytest
from tests.cli.conftest import caller

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.harness.base import Grants, Outcome
from agent_swarm.harness.claude.launch import CREDENTIALS
from agent_swarm.testing.account_provider import AccountProvider
from agent_swarm.worker.credentials import CredentialPool
from agent_swarm.worker.lending import Lending

pytestmark = pytest.mark.slow
TOKEN, REFRESH = "sk-ant-oat01-of-a-person", "refresh-token-0"


def use_up(folder: Path, *tokens: str) -> None:
    """A worker of this machine was refused with the first, and used them all."""
    environment = {"CLAUDE_CODE_OAUTH_TOKEN": ",".join(tokens)}
    lent = Lending(CredentialPool(folder), environment, Grants(credentials=CREDENTIALS))
    lent.take(now=time.time())
    lent.heard(_refused(), now=time.time())
    lent.take(now=time.time())


def _refused() -> Outcome:
    return Outcome(
        ok=False,
        failure=FailureClass.INFRASTRUCTURE,
        failure_code="rateLimit",
        message="no",
        retry_at=4_000_000_000.0,
    )


def test_given_files_of_agent_clis_when_they_are_imported_then_they_are_listed_without_a_token_and_forgotten(
    server: dict[str, str], tmp_path: Path
) -> None:
    run = caller(server, tmp_path)
    login = tmp_path / "own" / ".credentials.json"
    login.parent.mkdir()
    login.write_text(AccountProvider().claude_file(access_token=TOKEN))
    said = run("auth", "claude", CLAUDE_CONFIG_DIR=str(login.parent))
    assert "claude main  usable, until 20" in said.out
    assert "counts once" in said.err
    codex = json.dumps({"tokens": {"access_token": "codex-token", "account_id": "acc-1"}})
    told = json.loads(run("auth", "codex", "-", "--name", "team-2", "--json", stdin=codex).out)
    assert (told["name"], told["isRefreshed"], told["expiresAt"]) == ("team-2", False, None)

    shown = run("auth", "status")
    listed = [line.split()[:3] for line in shown.out.splitlines()]
    assert ["claude", "main", "usable"] in listed and ["codex", "team-2", "usable"] in listed
    everything = said.out + said.err + shown.out + run("auth", "status", "--json").out + run("config", "list").out
    assert not any(secret in everything for secret in (TOKEN, REFRESH, "codex-token"))

    assert "forgotten" in run("auth", "rm", "claude").out
    assert "there is no account" in run("auth", "rm", "claude", code=1).err
    assert [one["kind"] for one in json.loads(run("auth", "status", "--json").out)["accounts"]] == ["codex"]


def test_given_a_file_that_is_not_one_when_it_is_imported_then_it_says_what_to_do(
    server: dict[str, str], tmp_path: Path
) -> None:
    run = caller(server, tmp_path)
    wrong = run("auth", "claude", "-", stdin='{"apiKey": "sk-secret"}', code=1)
    assert ".credentials.json" in wrong.err and "sk-secret" not in wrong.err
    assert "cannot read" in run("auth", "codex", "nothing.json", code=1).err


def test_given_credentials_of_this_machine_when_one_rests_then_status_and_doctor_say_until_when(
    server: dict[str, str], tmp_path: Path
) -> None:
    workers = tmp_path / "workers"
    use_up(workers, TOKEN, "sk-ant-oat01-another")
    run = caller(server, tmp_path)
    shown = json.loads(run("auth", "status", "--json", AGENT_SWARM_WORKER_DIR=str(workers)).out)["credentials"]
    assert [(one["name"], one["state"], one["restsUntil"], one["reason"], one["uses"]) for one in shown] == [
        ("claude-1", "rests", "2096-10-02T07:06:40Z", "rateLimit", 1),
        ("claude-2", "ready", None, "", 1),
    ]
    checks = json.loads(run("doctor", "--json", AGENT_SWARM_WORKER_DIR=str(workers)).out)["checks"]
    (check,) = [one for one in checks if one["name"] == "credential"]
    assert "claude-1 has reached its limit and rests until 2096-10-02T07:06:40Z" in check["detail"]
    assert TOKEN not in json.dumps(checks) + json.dumps(shown)
