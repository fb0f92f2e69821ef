"""Secrets on the server's own host: variables, files, the keyring."""

import os
from pathlib import Path

import keyring.backend
import keyring.errors
import pytest

from agent_swarm.vault.backends.environment import EnvironmentBackend
from agent_swarm.vault.backends.errors import (
    BackendUnavailable,
    BackendUnusable,
    SecretDenied,
    SecretNotFound,
    SecretUnusable,
)
from agent_swarm.vault.backends.files import FileBackend
from agent_swarm.vault.backends.keyring_service import KeyringServiceBackend
from agent_swarm.vault.backends.references import Allowed, parse


def from_file(path: Path, *, field: str = "", allowed: str = "*") -> str:
    backend = FileBackend(Allowed((allowed,)))
    return backend.read(parse(f"file://{path}{f'#{field}' if field else ''}"), seconds=1)


# --- variables ------------------------------------------------------------------------------------------------------


def test_given_a_variable_when_it_is_read_then_an_empty_one_counts_as_unset() -> None:
    backend = EnvironmentBackend({"GITHUB_TOKEN": "value", "EMPTY": ""})
    assert backend.read(parse("env://GITHUB_TOKEN"), seconds=1) == "value"
    for name in ("EMPTY", "ABSENT"):
        with pytest.raises(SecretNotFound, match=name):
            backend.read(parse(f"env://{name}"), seconds=1)


@pytest.mark.parametrize("name", ["API_KEY", "api_key", "SECRETS_ENCRYPTION_KEY", "VAULT_TOKEN"])
def test_given_a_variable_that_rules_the_server_when_it_is_read_then_it_is_denied(name: str) -> None:
    with pytest.raises(SecretDenied):
        EnvironmentBackend({name: "value"}).read(parse(f"env://{name}"), seconds=1)


# --- files ----------------------------------------------------------------------------------------------------------


def test_given_a_directory_as_docker_mounts_it_when_a_file_is_read_then_its_line_ending_is_not_part_of_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("value\n")
    (tmp_path / "key").write_text("-----BEGIN\nline\n-----END\r\n")
    assert from_file(tmp_path / "token") == "value"
    assert from_file(tmp_path / "key") == "-----BEGIN\nline\n-----END"


def test_given_a_directory_as_kubernetes_mounts_it_when_it_is_replaced_then_the_new_content_counts(
    tmp_path: Path,
) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "token").write_text(f"value {number}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    assert from_file(tmp_path / "token", allowed=f"file://{tmp_path}/*") == "value 1"
    (tmp_path / "new").symlink_to("..2")
    (tmp_path / "new").replace(tmp_path / "..data")
    assert from_file(tmp_path / "token", allowed=f"file://{tmp_path}/*") == "value 2"


def test_given_a_link_out_of_what_is_allowed_when_it_is_read_then_it_is_denied(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "api-key").write_text("the server's own")
    (tmp_path / "secrets" / "token").symlink_to("../api-key")
    with pytest.raises(SecretDenied, match="leads to another place"):
        from_file(tmp_path / "secrets" / "token", allowed=f"file://{tmp_path}/secrets/*")


def test_given_one_file_with_many_when_an_entry_is_named_then_it_is_found_in_json_and_in_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"token": "value", "port": 8080, "more": {"x": 1}}')
    (tmp_path / "a.env").write_text("# ours\nexport TOKEN='a=b'\nOTHER=c\n")
    assert from_file(tmp_path / "a.json", field="token") == "value"
    assert from_file(tmp_path / "a.json", field="port") == "8080"
    assert from_file(tmp_path / "a.env", field="TOKEN") == "a=b"
    with pytest.raises(SecretUnusable, match="no text"):
        from_file(tmp_path / "a.json", field="more")
    with pytest.raises(SecretNotFound) as refused:
        from_file(tmp_path / "a.env", field="ABSENT")
    assert refused.value.hint == "there are: OTHER, TOKEN"


def test_given_what_is_no_secret_when_it_is_read_then_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 65_537)
    (tmp_path / "binary").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    for name in ("large", "binary", "pipe"):
        with pytest.raises(SecretUnusable):
            from_file(tmp_path / name)
    with pytest.raises(SecretUnusable, match="not a file"):
        from_file(tmp_path)
    with pytest.raises(SecretNotFound):
        from_file(tmp_path / "absent")


# --- keyring --------------------------------------------------------------------------------------------------------


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring of the library's own API, in memory."""

    priority = 1

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kept: dict[tuple[str, str], str] = {}
        self._failure = failure

    def get_password(self, service: str, username: str) -> str | None:
        if self._failure:
            raise self._failure
        return self._kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._kept[service, username] = password


def test_given_the_librarys_choice_of_a_keyring_when_a_password_is_read_then_it_comes_from_there() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    try:
        keyring.set_password("https://git.example", "swarm", "value")
        backend = KeyringServiceBackend()
        assert backend.read(parse("keyring://https://git.example/swarm"), seconds=1) == "value"
        with pytest.raises(SecretNotFound) as refused:
            backend.read(parse("keyring://git/swarm"), seconds=1)
        assert refused.value.hint == "store it: keyring set git swarm"
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (keyring.errors.NoKeyringError(), BackendUnusable),
        (keyring.errors.KeyringLocked("for value"), SecretDenied),
        (keyring.errors.KeyringError("for value"), BackendUnavailable),
    ],
)
def test_given_a_keyring_that_fails_when_it_is_read_then_its_own_words_are_left_out(
    failure: Exception, error: type[Exception]
) -> None:
    with pytest.raises(error) as refused:
        KeyringServiceBackend(MemoryKeyring(failure)).read(parse("keyring://git/swarm"), seconds=1)
    assert "for value" not in str(vars(refused.value))
