"""Secrets that a real swarm's agents have from a Vault: they are there when they are needed, and nowhere else."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.e2e.test_stored_secrets import holders, put, shell

from agent_swarm.testing.real_swarm import RealSwarm
from agent_swarm.testing.secret_services.vault import FakeVault
from agent_swarm.vault.keys import new_key

pytestmark = pytest.mark.slow

SECRET, MASTER = "hunter2-out-of-the-vault", new_key()
REFERENCE = "ref:vault://secret/data/swarm/github#token"


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    with FakeVault() as fake:
        fake.put("secret", "server", {"key": MASTER.text})
        yield fake


def led_to(vault: FakeVault) -> dict[str, str]:
    """What a server is told: where the Vault is, that its own key is there, and which references it may follow."""
    return {
        "VAULT_ADDR": vault.url,
        "VAULT_TOKEN": vault.token("secret/data/"),
        "SECRETS_ENCRYPTION_KEY_REF": "vault://secret/data/server#key",
        "AGENT_SWARM_SECRET_REFERENCES": "vault://secret/data/swarm/*",
        "AGENT_SWARM_SECRET_CACHE_SECONDS": "0",
    }


def test_given_a_secret_in_a_vault_when_an_agent_runs_then_it_has_it_and_it_is_nowhere_else(
    swarm: RealSwarm, vault: FakeVault
) -> None:
    variables = led_to(vault)
    swarm.start_server(variables=variables)
    put(swarm, "TOKEN", REFERENCE)
    with pytest.raises(HTTPError, match="422"):
        put(swarm, "KEY", "ref:vault://secret/data/server#key")
    worker = swarm.start_worker()

    refs = swarm.file(shell("early", 'echo "token=$TOKEN is $(printf %s "$TOKEN" | sha256sum | cut -c1-16)"'))
    swarm.wait_until(lambda: "task.requeued" in [event["type"] for event in swarm.events()], "it waits for its secret")
    [attempt] = swarm.call("GET", f"/api/tasks/{refs['early']}/attempts")["attempts"]
    assert "vault://secret/data/swarm/github" in json.dumps(attempt)
    assert (attempt["failureCode"], attempt["failureClass"]) == ("secretNotFound", "infrastructure")

    vault.put("secret", "swarm/github", {"token": SECRET})
    swarm.wait_for_all(1)
    task = swarm.task(refs["early"])
    assert task["result"]["text"] == f"token=[redacted] is {hashlib.sha256(SECRET.encode()).hexdigest()[:16]}"
    lines = swarm.call("GET", f"/api/tasks/{refs['early']}/attempts/{task['attempt']}/transcript")
    shown = json.dumps([lines, swarm.events(), swarm.call("GET", "/api/config?includeSecrets=true")])
    assert REFERENCE in shown
    assert SECRET not in shown

    swarm.stop_worker(worker)
    for secret in (SECRET, MASTER.text, variables["VAULT_TOKEN"]):
        assert holders(swarm.folder, secret) == []


def test_given_a_vault_that_is_sealed_when_a_server_starts_then_it_says_so_and_makes_no_key(
    tmp_path: Path, vault: FakeVault
) -> None:
    vault.is_sealed = True
    ended = subprocess.run(
        [sys.executable, "-m", "agent_swarm", "api", "--port", "0", "--data-dir", str(tmp_path / "server")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **led_to(vault)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "the encryption key cannot be had from where SECRETS_ENCRYPTION_KEY_REF says it is: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "server" / ".encryption-key").exists()
