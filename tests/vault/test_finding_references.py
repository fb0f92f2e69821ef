"""The master key from a secret backend."""

from pathlib import Path

import pytest

from agent_swarm.testing.secret_services.vault import FakeVault
from agent_swarm.vault.finding import KeySources, KeyUnreachable, find_keys
from agent_swarm.vault.keyfile import install, stage
from agent_swarm.vault.keys import InvalidKey, Origin, new_key

REFERENCE = "vault://secret/data/swarm#key"


@pytest.fixture
def led(vault: FakeVault, monkeypatch: pytest.MonkeyPatch) -> FakeVault:
    """The server's settings lead to it."""
    monkeypatch.setenv("VAULT_ADDR", vault.url)
    monkeypatch.setenv("VAULT_TOKEN", vault.token("secret/data/"))
    monkeypatch.setenv("AGENT_SWARM_SECRET_TIMEOUT_SECONDS", "2")
    return vault


@pytest.mark.parametrize("prefix", ["", "ref:"])
def test_given_a_reference_when_keys_are_looked_for_then_it_goes_before_the_file_of_the_data_directory(
    led: FakeVault, tmp_path: Path, prefix: str
) -> None:
    kept, own = new_key(), new_key()
    led.put("secret", "swarm", {"key": f"{kept.text}\n"})
    stage(tmp_path / ".encryption-key", own)
    install(tmp_path / ".encryption-key")
    master = find_keys(KeySources(data_dir=tmp_path, key_reference=f" {prefix}{REFERENCE} ")).master
    assert master is not None
    assert (master.material, master.origin) == (kept.material, Origin.BACKEND)
    assert master.place == f"{REFERENCE} (SECRETS_ENCRYPTION_KEY_REF)"
    given = find_keys(KeySources(data_dir=tmp_path, key=own.text, key_reference=REFERENCE)).master
    assert given is not None
    assert given.material == own.material


def test_given_settings_in_the_data_directory_when_the_key_is_fetched_then_they_count(
    vault: FakeVault, tmp_path: Path
) -> None:
    kept = new_key()
    vault.put("secret", "swarm", {"key": kept.text})
    toml = f'[secrets]\nvault_addr = "{vault.url}"\nvault_token = "{vault.token("secret/data/")}"\n'
    (tmp_path / "config.toml").write_text(toml)
    (tmp_path / "config.toml").chmod(0o600)
    master = find_keys(KeySources(data_dir=tmp_path, key_reference=REFERENCE)).master
    assert master is not None
    assert master.material == kept.material


def test_given_a_backend_without_the_key_when_it_is_looked_for_then_the_start_fails_with_the_remedy(
    led: FakeVault, tmp_path: Path
) -> None:
    with pytest.raises(
        KeyUnreachable, match=r"SECRETS_ENCRYPTION_KEY_REF says it is: .*vault://secret/data/swarm"
    ) as told:
        find_keys(KeySources(data_dir=tmp_path, key_reference=REFERENCE))
    assert told.value.hint
    led.is_sealed = True
    with pytest.raises(KeyUnreachable, match="sealed"):
        find_keys(KeySources(data_dir=tmp_path, key_reference=REFERENCE))
    assert list(tmp_path.iterdir()) == []


def test_given_something_else_than_a_key_when_it_is_fetched_then_the_place_is_named_and_not_what_is_there(
    led: FakeVault, tmp_path: Path
) -> None:
    led.put("secret", "swarm", {"key": "hunter2-hunter2"})
    with pytest.raises(InvalidKey, match=r"vault://secret/data/swarm#key \(SECRETS_ENCRYPTION_KEY_REF\)") as told:
        find_keys(KeySources(data_dir=tmp_path, key_reference=REFERENCE))
    assert "hunter2" not in f"{told.value.message}{told.value.hint}"


@pytest.mark.parametrize("text", ["hunter2-hunter2", "vault://hunter2-hunter2", "ref:"])
def test_given_a_text_that_is_no_reference_when_the_key_is_looked_for_then_it_is_not_repeated(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(KeyUnreachable) as told:
        find_keys(KeySources(data_dir=tmp_path, key_reference=text))
    assert "hunter2" not in f"{told.value.message}{told.value.hint}"
    assert "ref:" in told.value.hint or "://" in told.value.hint
