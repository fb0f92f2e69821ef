"""Keys change while values are read and written, and either key opens everything in between."""

import asyncio
from pathlib import Path

import pytest
from tests.services.secrets.house import files, opened

from agent_swarm.domain.errors import Conflict, EncryptionKeyMissing, InvalidInput
from agent_swarm.domain.sealed import data_key_of
from agent_swarm.services.secrets.resealing import BATCH, reseal_all
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.vault import keyfile
from agent_swarm.vault.keys import Origin, new_key, parse_key

pytestmark = pytest.mark.anyio

SECRETS = {f"KEY_{number}": f"value number {number}" for number in range(BATCH + 7)}


async def test_given_a_key_file_of_its_own_when_the_master_key_changes_then_the_file_does_and_values_stay(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        before = (tmp_path / ".encryption-key").read_text()
        stored = await house.stored()
        await house.changes.rotate(None, master=True, values=False, actor="operator")
        after = (tmp_path / ".encryption-key").read_text()
        status = await house.changes.status()
        assert after != before
        assert (status.master and status.master.id, status.next_master) == (parse_key(after).id, None)
        assert await house.stored() == stored  # data keys were wrapped anew, values were not touched
        assert await house.events(r"key\..*") == ["key.added", "key.changing", "key.changed"]
    async with opened(tmp_path) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}


async def test_given_values_when_the_data_key_changes_then_all_are_encrypted_anew_and_the_old_one_goes(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        for key, value in SECRETS.items():
            await house.put(key, value)
        (old,) = {data_key_of(text) for text in (await house.stored()).values()}
        await house.changes.rotate(None, master=False, values=True, actor="operator")
        await house.put("NEW", "made meanwhile")
        done = await reseal_all(house.store, house.vault)
        (new,) = {data_key_of(text) for text in (await house.stored()).values()}
        assert (done.values, done.dropped, done.closed) == (len(SECRETS), 1, 0)
        assert new != old
        assert await house.values() == {**SECRETS, "NEW": "made meanwhile"}
        assert [record.id for record in (await house.changes.status()).records] == [new]
        assert (await reseal_all(house.store, house.vault)).values == 0


@pytest.mark.slow
async def test_given_a_value_that_is_replaced_while_all_are_encrypted_anew_then_the_newer_one_stays(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        for key, value in SECRETS.items():
            await house.put(key, value)
        await house.changes.rotate(None, master=False, values=True, actor="operator")

        async def write() -> None:
            for key in SECRETS:
                await house.put(key, f"{key} is newer")

        await asyncio.gather(write(), reseal_all(house.store, house.vault), reseal_all(house.store, house.vault))
        await reseal_all(house.store, house.vault)
        assert await house.values() == {key: f"{key} is newer" for key in SECRETS}
        assert len((await house.changes.status()).records) == 1


async def test_given_a_second_server_that_did_not_hear_of_a_data_key_when_it_reads_and_writes_then_all_is_well(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, key=new_key().text) as house:
        other = Vault(house.vault.master)
        await other.refresh(house.store)
        await house.changes.rotate(None, master=False, values=True, actor="operator")
        await house.put("TOKEN", "hunter2-hunter2")
        house.configuration._vault = other  # the same database, through the eyes of the other server
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}


async def test_given_a_server_that_seals_with_a_retired_data_key_when_it_writes_then_it_seals_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as house:
        seal, tries = house.vault.seal, []

        def late(identity: tuple[str, ...], value: str) -> str:
            text = seal(identity, value)
            tries.append(data_key_of(text))
            return text.replace(data_key_of(text), "0" * 16) if len(tries) == 1 else text

        monkeypatch.setattr(house.vault, "seal", late)
        await house.put("TOKEN", "hunter2-hunter2")
        assert len(tries) == 2
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}


async def test_given_a_key_from_the_environment_when_it_changes_then_people_are_told_what_to_set(
    tmp_path: Path,
) -> None:
    old, new = new_key(), new_key()
    async with opened(tmp_path, key=old.text) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        with pytest.raises(InvalidInput, match="comes from SECRETS_ENCRYPTION_KEY, so the new one has to be given"):
            await house.changes.rotate(None, master=True, values=False, actor="operator")
        with pytest.raises(InvalidInput, match="is the one in use"):
            await house.changes.rotate(old, master=True, values=False, actor="operator")
        await house.changes.rotate(new, master=True, values=False, actor="operator")
        status = await house.changes.status()
        assert status.next_master == new.id
        assert "set SECRETS_ENCRYPTION_KEY to the new key for the server" in status.to_do
        with pytest.raises(Conflict, match="still runs with the encryption key"):
            await house.changes.finish(actor="operator")
        with pytest.raises(Conflict, match="being changed"):
            await house.changes.rotate(new_key(), master=True, values=False, actor="operator")
        assert not (tmp_path / ".encryption-key.next").exists()
    async with opened(tmp_path, key=old.text) as house:  # nobody has to hurry
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
    async with opened(tmp_path, key=new.text) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
        assert (await house.changes.status()).to_do == ""


async def test_given_a_change_under_way_when_it_is_given_up_then_the_old_key_stays(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    async with opened(tmp_path, key=old.text) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        await house.changes.rotate(new, master=True, values=False, actor="operator")
        await house.changes.give_up(actor="operator")
        with pytest.raises(Conflict, match="is not being changed"):
            await house.changes.give_up(actor="operator")
    async with opened(tmp_path, key=old.text) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}


async def test_given_a_shared_database_when_servers_have_different_keys_of_a_change_then_all_work_until_it_is_finished(
    tmp_path: Path,
) -> None:
    old, new = new_key(), new_key()
    async with opened(tmp_path, key=old.text, is_shared=True) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        await house.changes.rotate(new, master=True, values=False, actor="operator")
        assert "every server of the database" in (await house.changes.status()).to_do
    for key in (old, new, old):
        async with opened(tmp_path, key=key.text, is_shared=True) as house:
            assert await house.values() == {"TOKEN": "hunter2-hunter2"}
    async with opened(tmp_path, key=new.text, is_shared=True) as house:
        assert (await house.changes.status()).to_do.endswith("agent-swarm key rotate --finish")
        with pytest.raises(Conflict, match="runs with the next encryption key"):
            await house.changes.give_up(actor="operator")
        await house.changes.finish(actor="operator")
        assert (await house.changes.status()).next_master is None


async def test_given_a_staged_key_that_the_database_does_not_know_when_a_server_starts_then_it_is_thrown_away(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("TOKEN", "hunter2-hunter2")
    before = (tmp_path / ".encryption-key").read_text()
    keyfile.stage(tmp_path / ".encryption-key", new_key(origin=Origin.DATA_DIR))
    async with opened(tmp_path) as house:
        assert await house.values() == {"TOKEN": "hunter2-hunter2"}
    assert [*files(tmp_path, ".enc")] == [".encryption-key"]
    assert (tmp_path / ".encryption-key").read_text() == before


async def test_given_everything_when_it_is_verified_then_what_does_not_open_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        await house.put("ONE", "first value")
        entry = await house.put("TWO", "second value")
        assert (await house.changes.verify()).closed == ()
        stored = await house.stored()

        def swap() -> None:
            import sqlite3

            with sqlite3.connect(tmp_path / "swarm.sqlite") as database:
                database.execute("UPDATE config_entry SET text = ? WHERE id = ?", (stored["ONE"], entry.id))

        await asyncio.to_thread(swap)
        found = await house.changes.verify()
        assert [one.sealed.shown for one in found.closed] == ["TWO (global)"]
        assert (found.values, found.data_keys) == (2, 1)


async def test_given_no_key_when_keys_are_to_change_then_that_is_said(tmp_path: Path) -> None:
    async with opened(tmp_path, is_shared=True) as house:
        with pytest.raises(EncryptionKeyMissing):
            await house.changes.rotate(new_key(), master=True, values=False, actor="operator")
        assert (await house.changes.status()).master is None
