"""A server starts with the key of what is stored, or not at all."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.services.secrets.house import everything, files, opened

from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable, SwarmError
from agent_swarm.services.secrets.lost import find_lost, remove_lost
from agent_swarm.store.opening import open_store
from agent_swarm.vault.finding import KeySources, find_keys
from agent_swarm.vault.keys import new_key

pytestmark = pytest.mark.anyio


async def refusal(folder: Path, **sources: Any) -> SwarmError:
    """Why a start is refused, which has to leave everything as it was."""
    database = folder / "swarm.sqlite"
    async with open_store(database) as store:
        before = await store.read(everything)
    kept = files(folder, ".enc")
    with pytest.raises((EncryptionKeyMissing, SecretUnreadable)) as caught:
        async with opened(folder, **sources):
            pass
    async with open_store(database) as store:
        assert await store.read(everything) == before
    assert files(folder, ".enc") == kept
    return caught.value


async def test_given_nothing_when_a_server_starts_twice_then_it_makes_a_key_once_and_keeps_secrets(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as first:
        await first.put("TOKEN", "hunter2-hunter2")
    key = (tmp_path / ".encryption-key").read_text()
    async with opened(tmp_path) as second:
        assert await second.values() == {"TOKEN": "hunter2-hunter2"}
        assert second.known == ("hunter2-hunter2",)
    assert (tmp_path / ".encryption-key").read_text() == key
    assert b"hunter2" not in b"".join(files(tmp_path).values())


async def test_given_secrets_when_the_key_is_gone_then_no_other_is_made_and_the_start_says_what_to_do(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        master = house.vault.master
        await house.put("ONE", "first value")
        await house.put("TWO", "second value")
    (tmp_path / ".encryption-key").unlink()
    told = await refusal(tmp_path)
    assert master is not None
    assert "the encryption key is missing: 2 encrypted values" in told.message
    assert str(tmp_path / ".encryption-key") in told.message
    assert master.id in told.hint
    assert "agent-swarm config rm --undecryptable" in told.hint


async def test_given_secrets_when_another_key_is_given_then_the_start_names_it_and_the_right_one(
    tmp_path: Path,
) -> None:
    right, wrong = new_key(), new_key()
    async with opened(tmp_path, key=right.text) as house:
        await house.put("ONE", "first value")
    told = await refusal(tmp_path, key=wrong.text)
    assert f"the encryption key in SECRETS_ENCRYPTION_KEY is the wrong one (id {wrong.id})" in told.message
    assert "1 encrypted value " in told.message
    assert right.id in told.hint
    assert right.text not in f"{told.message}{told.hint}"


async def test_given_no_secret_when_the_key_is_gone_or_another_then_the_server_starts_and_keeps_new_ones(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("PLAIN", "text", isSecret=False)
    (tmp_path / ".encryption-key").unlink()
    async with opened(tmp_path) as house:
        assert (tmp_path / ".encryption-key").exists()
    async with opened(tmp_path, key=new_key().text) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        assert await house.values() == {"PLAIN": "text", "TOKEN": "hunter2-hunter2"}


async def test_given_a_value_that_was_changed_in_the_database_when_a_server_starts_then_it_names_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("ONE", "first value")
        await house.put("TWO", "second value")
    with sqlite3.connect(tmp_path / "swarm.sqlite") as database:
        database.execute("UPDATE config_entry SET text = (SELECT text FROM config_entry WHERE key = 'ONE')")
    told = await refusal(tmp_path)
    assert "1 of 2 encrypted values cannot be opened" in told.message
    assert "TWO (global)" in told.message


async def test_given_data_keys_that_are_gone_when_a_server_starts_then_it_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.put("ONE", "first value")
    with sqlite3.connect(tmp_path / "swarm.sqlite") as database:
        database.execute("DELETE FROM data_key")
    assert "the data keys are gone" in (await refusal(tmp_path)).message


async def test_given_an_old_backup_and_its_key_when_keys_have_changed_since_then_it_still_opens(
    tmp_path: Path,
) -> None:
    live, backup = tmp_path / "live", tmp_path / "backup"
    live.mkdir()
    async with opened(live) as house:
        await house.put("TOKEN", "hunter2-hunter2")
    shutil.copytree(live, backup)
    async with opened(live) as house:
        await house.changes.rotate(None, master=True, values=True, actor="operator")
    async with opened(backup) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
    shutil.copy(backup / ".encryption-key", live / ".encryption-key")
    assert "is the wrong one" in (await refusal(live)).message


async def test_given_a_key_and_the_one_before_when_a_server_starts_then_the_master_key_is_changed(
    tmp_path: Path,
) -> None:
    old, new = new_key(), new_key()
    async with opened(tmp_path, key=old.text) as house:
        await house.put("TOKEN", "hunter2-hunter2")
    async with opened(tmp_path, key=new.text, previous=old.text) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
        assert await house.events(r"key\.chang.*") == ["key.changing", "key.changed"]
    async with opened(tmp_path, key=new.text) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
    assert "is the wrong one" in (await refusal(tmp_path, key=old.text)).message


async def test_given_a_wrong_key_before_when_a_server_starts_then_it_does_not_help(tmp_path: Path) -> None:
    async with opened(tmp_path, key=new_key().text) as house:
        await house.put("TOKEN", "hunter2-hunter2")
    assert "is the wrong one" in (await refusal(tmp_path, key=new_key().text, previous=new_key().text)).message


async def test_given_a_lost_key_when_what_cannot_be_opened_is_removed_then_the_server_starts_and_plain_values_stay(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        await house.put("PLAIN", "text", isSecret=False)
    (tmp_path / ".encryption-key").unlink()
    async with open_store(tmp_path / "swarm.sqlite") as store:
        lost = await find_lost(store, find_keys(KeySources(data_dir=tmp_path)))
        assert [one.sealed.shown for one in lost.values] == ["TOKEN (global)"]
        assert await remove_lost(store, lost, actor="operator") == 1
    async with opened(tmp_path) as house:
        assert await house.values() == {"PLAIN": "text"}
        await house.put("TOKEN", "another one")
        assert await house.events(r"config\.removed") == ["config.removed"]


async def test_given_the_right_key_when_one_value_was_changed_then_only_that_one_is_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.put("ONE", "first value")
        await house.put("TWO", "second value")
    with sqlite3.connect(tmp_path / "swarm.sqlite") as database:
        database.execute("UPDATE config_entry SET text = text || 'A' WHERE key = 'TWO'")
    async with open_store(tmp_path / "swarm.sqlite") as store:
        lost = await find_lost(store, find_keys(KeySources(data_dir=tmp_path)))
        await remove_lost(store, lost, actor="operator")
    async with opened(tmp_path) as house:
        assert await house.values() == {"ONE": "first value"}


async def test_given_a_shared_database_when_a_server_has_no_key_then_it_makes_none_and_keeps_no_secret(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, is_shared=True) as house:
        await house.put("PLAIN", "text", isSecret=False)
        with pytest.raises(EncryptionKeyMissing, match="this server has no encryption key"):
            await house.put("TOKEN", "hunter2-hunter2")
    assert not (tmp_path / ".encryption-key").exists()


async def test_given_a_shared_database_with_a_data_key_when_a_server_has_another_key_then_it_is_refused(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, is_shared=True, key=new_key().text):
        pass
    with pytest.raises(SecretUnreadable, match="is the wrong one"):
        async with opened(tmp_path, is_shared=True, key=new_key().text):
            pass
    with pytest.raises(EncryptionKeyMissing):
        async with opened(tmp_path, is_shared=True):
            pass
