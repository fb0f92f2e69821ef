"""The keys of sessions are sealed as secrets are: they follow changes of keys, and open with the right one alone."""

import base64
import sqlite3
from pathlib import Path

import pytest
from tests.services.secrets.house import Open, files, opened

from agent_swarm.domain.errors import EncryptionKeyMissing, SecretUnreadable, Unauthenticated
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.sealed import data_key_of, is_sealed
from agent_swarm.services.jwts import KEY_BYTES, SigningKey
from agent_swarm.services.secrets.lost import find_lost, remove_lost
from agent_swarm.services.secrets.resealing import reseal_all, seal_older
from agent_swarm.services.secrets.vault import Vault
from agent_swarm.services.signing_keys import SigningKeys
from agent_swarm.store.families.signing_keys import SIGNING_KEYS, PutSigningKey, SigningKeyRecord
from agent_swarm.store.opening import open_store
from agent_swarm.vault.finding import KeySources, find_keys
from agent_swarm.vault.keys import new_key

pytestmark = pytest.mark.anyio

OLD = base64.b64encode(b"o" * KEY_BYTES).decode()  # as versions without a vault stored it


async def signing(house: Open) -> SigningKey:
    return await SigningKeys(house.vault).signing(house.store)


async def stored(house: Open) -> dict[str, str]:
    """The texts in the database, by key."""
    keys = await house.store.read(lambda queries: queries.scan(SIGNING_KEYS, limit=100))
    return {key.id: key.sealed for key in keys}


async def believed(house: Open, key_id: str) -> SigningKey:
    keys = SigningKeys(house.vault)
    return await house.store.read(lambda queries: keys.believed(queries, key_id, now=house.store.now()))


def put_plain(folder: Path, text: str = OLD) -> str:
    """Have a key in the database as an older version left it."""
    key_id = new_id()
    with sqlite3.connect(folder / "swarm.sqlite") as database:
        database.execute("INSERT INTO signing_key (id, sealed, created_at) VALUES (?, ?, 1)", (key_id, text))
    return key_id


async def test_given_a_key_when_it_is_stored_then_the_database_holds_it_sealed_and_every_start_opens_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        key = await signing(house)
        assert await signing(house) == key
    plain = (key.secret, base64.b64encode(key.secret), base64.urlsafe_b64encode(key.secret), key.secret.hex().encode())
    content = b"".join(files(tmp_path, "swarm.sqlite").values())
    assert key.id.encode() in content
    assert not any(form in content for form in plain)
    async with opened(tmp_path) as house:
        assert await believed(house, key.id) == key
        assert base64.b64encode(key.secret).decode() in house.known  # so it is redacted, should it ever be said


async def test_given_a_key_when_data_and_master_key_change_then_it_is_sealed_anew_counted_and_verified(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        await house.put("TOKEN", "hunter2-hunter2")
        key = await signing(house)
        (before,) = (await stored(house)).values()
        await house.changes.rotate(None, master=True, values=True, actor="operator")
        assert await believed(house, key.id) == key
        assert (await reseal_all(house.store, house.vault)).values == 2
        (after,) = (await stored(house)).values()
        status, verified = await house.changes.status(), await house.changes.verify()
        assert data_key_of(after) != data_key_of(before)
        assert status.values == {data_key_of(after): 2}
        assert (verified.values, verified.closed) == (2, ())
        assert await believed(house, key.id) == key


async def test_given_a_server_that_seals_with_a_retired_data_key_when_it_makes_a_key_then_it_seals_again(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        other = Vault(house.vault.master)
        await other.refresh(house.store)
        await house.changes.rotate(None, master=False, values=True, actor="operator")
        made = await SigningKeys(other).put_new(house.store, actor="operator", overlap=0)
        assert data_key_of(made.sealed) == next(one.id for one in house.vault.records if one.is_active)
        assert (await believed(house, made.id)).id == made.id


async def test_given_a_server_that_did_not_hear_of_a_data_key_when_a_token_comes_then_it_opens_the_key(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        key = await signing(house)
        other = Vault(house.vault.master)
        await other.refresh(house.store)
        await house.changes.rotate(None, master=False, values=True, actor="operator")
        await reseal_all(house.store, house.vault)
        found = await house.store.read(lambda queries: SigningKeys(other).believed(queries, key.id, now=0))
        assert found == key


async def test_given_nothing_sealed_but_a_key_of_sessions_when_another_master_key_is_given_then_no_server_starts(
    tmp_path: Path,
) -> None:
    right = new_key()
    async with opened(tmp_path, key=right.text) as house:
        key = await signing(house)
    with pytest.raises(SecretUnreadable, match=r"is the wrong one .* 1 encrypted value \(1 signing key\)") as refused:
        async with opened(tmp_path, key=new_key().text):
            raise AssertionError
    assert right.id in refused.value.hint
    assert "agent-swarm config rm --undecryptable" in refused.value.hint
    with pytest.raises(EncryptionKeyMissing, match="1 signing key"):
        async with opened(tmp_path):
            raise AssertionError
    async with opened(tmp_path, key=right.text) as house:
        assert await believed(house, key.id) == key


async def test_given_a_key_that_was_changed_in_the_database_when_a_server_starts_then_it_names_it(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        kept = await SigningKeys(house.vault).put_new(house.store, actor="operator", overlap=10**9)
        swapped = await SigningKeys(house.vault).put_new(house.store, actor="operator", overlap=10**9)
        with sqlite3.connect(tmp_path / "swarm.sqlite") as database:
            database.execute("UPDATE signing_key SET sealed = ? WHERE id = ?", (kept.sealed, swapped.id))
        with pytest.raises(Unauthenticated, match="cannot be opened"):
            await believed(house, swapped.id)
        with pytest.raises(SecretUnreadable) as refused:
            await signing(house)
        assert "agent-swarm user rotate-keys --at-once" in refused.value.hint
        assert (await believed(house, kept.id)).id == kept.id
    with pytest.raises(SecretUnreadable, match=f"1 of 2 encrypted values .*: signing key {swapped.id}"):
        async with opened(tmp_path):
            raise AssertionError


async def test_given_a_lost_master_key_when_what_nothing_opens_is_removed_then_the_next_log_in_makes_another_key(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        key = await signing(house)
    (tmp_path / ".encryption-key").unlink()
    async with open_store(tmp_path / "swarm.sqlite") as store:
        lost = await find_lost(store, find_keys(KeySources(data_dir=tmp_path)))
        assert lost.ends_sessions
        assert [one.sealed.shown for one in lost.values] == [f"signing key {key.id}"]
        assert await remove_lost(store, lost, actor="operator") == 1
    async with opened(tmp_path) as house:
        assert await house.events(r"signingKey\..*") == ["signingKey.created", "signingKey.removed"]
        with pytest.raises(Unauthenticated, match="is not in use"):
            await believed(house, key.id)
        assert (await signing(house)).id != key.id


async def test_given_keys_of_an_older_version_when_a_server_starts_then_they_are_sealed_and_still_believed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path):
        pass
    key_id = put_plain(tmp_path)
    async with opened(tmp_path) as house:
        assert [is_sealed(text) for text in (await stored(house)).values()] == [True]
        assert await believed(house, key_id) == SigningKey(id=key_id, secret=b"o" * KEY_BYTES)
        assert (await signing(house)).id == key_id


async def test_given_a_server_with_a_vault_when_a_key_is_put_unsealed_behind_its_back_then_it_is_not_believed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as house:
        key_id = put_plain(tmp_path)
        with pytest.raises(Unauthenticated, match="cannot be opened"):
            await believed(house, key_id)
        with pytest.raises(SecretUnreadable, match="it is not sealed"):
            await signing(house)
        assert await seal_older(house.store, house.vault) == 1
        assert await seal_older(house.store, house.vault) == 0
        assert (await believed(house, key_id)).id == key_id


async def test_given_a_shared_database_without_a_master_key_when_one_is_given_then_sessions_go_on_and_keys_are_sealed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, is_shared=True) as house:
        key = await signing(house)
        assert list((await stored(house)).values()) == [base64.b64encode(key.secret).decode()]
        keyless = SigningKeys(house.vault)
    async with opened(tmp_path, is_shared=True, key=new_key().text) as house:
        assert [is_sealed(text) for text in (await stored(house)).values()] == [True]
        assert await believed(house, key.id) == key
        with pytest.raises(EncryptionKeyMissing):  # a server that still has none: it stores nothing as it is any more
            await keyless.put_new(house.store, actor="operator", overlap=0)
        with pytest.raises(Unauthenticated):
            await house.store.read(lambda queries: keyless.believed(queries, key.id, now=0))


async def test_given_keys_as_they_are_when_a_change_of_the_data_key_overtakes_then_they_are_sealed_with_the_newer_one(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, is_shared=True) as house:
        record = SigningKeyRecord(id=new_id(), sealed=OLD)
        await house.store.apply(PutSigningKey(key=record, actor="operator"))
        master = new_key()
    async with opened(tmp_path, is_shared=True, key=master.text) as house:
        slow = Vault(house.vault.master)
        await slow.refresh(house.store)
        put_plain(tmp_path)
        await house.changes.rotate(None, master=False, values=True, actor="operator")
        assert await seal_older(house.store, slow) == 1
        await reseal_all(house.store, house.vault)
        assert {data_key_of(text) for text in (await stored(house)).values()} == {house.vault.records[-1].id}
