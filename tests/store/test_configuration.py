"""Stored configuration and data keys: the same on every store, and judged where they are written."""

from dataclasses import replace

import pytest

from agent_swarm.domain.configuration import ENTRIES_PER_PLACE, PLACE_BYTES, ConfigScope
from agent_swarm.domain.errors import Conflict, InvalidInput, NotFound
from agent_swarm.domain.ids import new_id
from agent_swarm.store.families.configuration import CONFIG, ConfigEntry, PutConfig, RemoveConfig
from agent_swarm.store.families.data_keys import (
    DATA_KEYS,
    AddDataKey,
    AddWraps,
    DataKeyRetired,
    EstablishDataKey,
    SettleWraps,
)
from agent_swarm.store.families.sealed import (
    DropDataKey,
    RemoveSealed,
    ReplaceDataKeys,
    Reseal,
    sealed_texts,
    unsealed_texts,
)
from agent_swarm.store.families.signing_keys import PutSigningKey, SigningKeyRecord
from agent_swarm.testing.driver import Driver

ENTRY = ConfigEntry(scope=ConfigScope.PROJECT, scope_id="p", key="TOKEN", id=new_id(), text="plain", is_secret=False)


def put(entry: ConfigEntry, made_from: str | None = None) -> PutConfig:
    return PutConfig(entry=entry, actor="operator", made_from=made_from)


def secret(key: str = "TOKEN", *, under: str = "k1", body: str = "x") -> ConfigEntry:
    return replace(ENTRY, key=key, id=new_id(), text=f"sealed.v1.{under}.{body}", is_secret=True)


def signing_key(key_id: str, text: str) -> PutSigningKey:
    return PutSigningKey(key=SigningKeyRecord(id=key_id, sealed=text), actor="operator", overlap=1_000_000)


def wrapped(master: str) -> str:
    return f"wrapped.v1.{master}.x"


def events(swarm: Driver) -> list[str]:
    return [event.type for event in swarm.engine.read(lambda queries: queries.events_after(0, limit=100))]


def test_given_an_entry_when_it_is_put_again_then_its_id_stays_and_only_a_change_is_an_event(swarm: Driver) -> None:
    first = swarm.do(put(ENTRY))
    swarm.advance(5)
    assert swarm.do(put(replace(ENTRY, id=new_id()))) == first
    changed = swarm.do(put(replace(ENTRY, id=new_id(), text="other")))
    assert (changed.id, changed.created_at) == (first.id, first.created_at)
    assert changed.updated_at > first.updated_at
    assert events(swarm) == ["config.set", "config.set"]


@pytest.mark.parametrize("key", ["API_KEY", "api_key", "Secrets_Encryption_Key", "no name"])
def test_given_a_name_that_may_not_be_stored_when_the_store_is_told_to_then_it_refuses(swarm: Driver, key: str) -> None:
    with pytest.raises(InvalidInput):
        swarm.do(put(replace(ENTRY, key=key)))
    assert swarm.engine.read(lambda queries: queries.scan(CONFIG, limit=10)) == []


def test_given_an_entry_made_from_one_that_changed_when_it_is_put_then_it_is_refused(swarm: Driver) -> None:
    swarm.do(put(ENTRY))
    with pytest.raises(Conflict, match="changed by somebody else"):
        swarm.do(put(replace(ENTRY, text="new"), made_from="older"))


def test_given_a_full_place_when_one_more_is_put_then_it_is_refused_and_another_place_is_not_full(
    swarm: Driver,
) -> None:
    for number in range(ENTRIES_PER_PLACE):
        swarm.do(put(replace(ENTRY, key=f"N{number}", id=new_id())))
    with pytest.raises(InvalidInput, match="no room"):
        swarm.do(put(ENTRY))
    swarm.do(put(replace(ENTRY, key="N0", text="replaced")))
    swarm.do(put(replace(ENTRY, scope_id="other")))


def test_given_large_values_when_they_are_too_much_together_then_the_last_is_refused(swarm: Driver) -> None:
    half = "x" * (PLACE_BYTES // 2)
    swarm.do(put(replace(ENTRY, key="A", text=half)))
    swarm.do(put(replace(ENTRY, key="B", text=half)))
    with pytest.raises(InvalidInput, match="no room"):
        swarm.do(put(replace(ENTRY, key="C")))


def test_given_an_entry_when_another_id_is_removed_then_it_stays(swarm: Driver) -> None:
    kept = swarm.do(put(ENTRY))
    removal = RemoveConfig(scope=kept.scope, scope_id=kept.scope_id, key=kept.key, id=new_id(), actor="operator")
    with pytest.raises(NotFound):
        swarm.do(removal)
    assert swarm.do(replace(removal, id=kept.id)) == kept
    assert events(swarm) == ["config.set", "config.removed"]


def test_given_a_secret_when_its_data_key_is_not_the_active_one_then_it_is_refused(swarm: Driver) -> None:
    with pytest.raises(DataKeyRetired):
        swarm.do(put(secret()))
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(put(secret()))
    swarm.do(AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"))
    with pytest.raises(DataKeyRetired):
        swarm.do(put(secret("OTHER")))
    swarm.do(put(secret("OTHER", under="k2")))


def test_given_a_signing_key_when_it_is_not_sealed_as_it_has_to_be_by_now_then_it_is_refused(swarm: Driver) -> None:
    swarm.do(signing_key("a", "plain"))  # nothing is sealed here yet
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    assert [one.shown for one in swarm.engine.read(unsealed_texts)] == ["signing key a"]
    for text in ("plain", "sealed.v1.k0.x"):
        with pytest.raises(DataKeyRetired):
            swarm.do(signing_key("b", text))
    swarm.do(signing_key("b", "sealed.v1.k1.b"))
    assert swarm.do(Reseal(texts=[(one, "sealed.v1.k1.a") for one in swarm.engine.read(unsealed_texts)])) == 1
    kept = swarm.engine.read(lambda queries: list(sealed_texts(queries)))
    assert [(one.identity, one.text) for one in kept] == [
        (("signing_key", "a"), "sealed.v1.k1.a"),
        (("signing_key", "b"), "sealed.v1.k1.b"),
    ]
    swarm.do(AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"))
    assert not swarm.do(DropDataKey(version=1))
    assert swarm.do(RemoveSealed(texts=kept, actor="operator")) == 2
    assert events(swarm)[-2:] == ["signingKey.removed"] * 2
    assert swarm.do(DropDataKey(version=1))


def test_given_two_servers_when_both_bring_the_first_data_key_then_one_is_there(swarm: Driver) -> None:
    (first,) = swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    assert swarm.do(EstablishDataKey(id="k2", wrapped=wrapped("m2"))) == (first,)


def test_given_a_change_of_the_master_key_when_it_is_settled_then_one_wrap_is_left(swarm: Driver) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    (both,) = swarm.do(AddWraps(wraps={"k1": wrapped("m2")}, actor="operator"))
    assert (both.master, both.next_master) == ("m1", "m2")
    for refused in (
        AddWraps(wraps={"k1": wrapped("m3")}, actor="operator"),
        AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"),
    ):
        with pytest.raises(Conflict, match="being changed to m2"):
            swarm.do(refused)
    (settled,) = swarm.do(SettleWraps(keep="m2", actor="operator"))
    assert (settled.master, settled.next_master) == ("m2", None)
    assert swarm.do(SettleWraps(keep="m2", actor="operator")) == (settled,)
    assert events(swarm) == ["key.added", "key.changing", "key.changed"]


def test_given_wraps_of_other_data_keys_when_a_change_begins_then_it_is_refused(swarm: Driver) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"))
    with pytest.raises(DataKeyRetired):
        swarm.do(AddWraps(wraps={"k1": wrapped("m2")}, actor="operator"))


def test_given_a_change_that_is_given_up_then_the_master_key_so_far_is_left(swarm: Driver) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(AddWraps(wraps={"k1": wrapped("m2")}, actor="operator"))
    (kept,) = swarm.do(SettleWraps(keep="m1", actor="operator"))
    assert (kept.master, kept.next_master) == ("m1", None)
    assert events(swarm)[-1] == "key.changeGivenUp"


def test_given_values_under_a_retired_key_when_sealed_anew_then_the_key_goes_and_what_changed_meanwhile_stays(
    swarm: Driver,
) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(put(secret("A")))
    swarm.do(put(secret("B")))
    swarm.do(AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"))
    old = swarm.engine.read(lambda queries: list(sealed_texts(queries)))
    swarm.do(put(secret("B", under="k2", body="newer")))
    assert not swarm.do(DropDataKey(version=1))
    assert swarm.do(Reseal(texts=[(one, f"sealed.v1.k2.{one.identity[-1]}") for one in old])) == 1
    texts = swarm.engine.read(lambda queries: [entry.text for entry in queries.scan(CONFIG, limit=10)])
    assert texts == ["sealed.v1.k2.A", "sealed.v1.k2.newer"]
    assert swarm.do(DropDataKey(version=1))
    assert not swarm.do(DropDataKey(version=2))


def test_given_a_slow_server_when_its_data_key_retired_meanwhile_then_it_seals_nothing_with_it(swarm: Driver) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(put(secret("A")))
    swarm.do(AddDataKey(id="k2", wrapped=wrapped("m1"), actor="operator"))
    (old,) = swarm.engine.read(lambda queries: list(sealed_texts(queries)))
    swarm.do(AddDataKey(id="k3", wrapped=wrapped("m1"), actor="operator"))
    with pytest.raises(DataKeyRetired):
        swarm.do(Reseal(texts=[(old, "sealed.v1.k2.A")]))


def test_given_sealed_values_when_the_data_keys_are_to_be_replaced_then_that_is_refused_until_they_are_gone(
    swarm: Driver,
) -> None:
    swarm.do(EstablishDataKey(id="k1", wrapped=wrapped("m1")))
    swarm.do(put(secret()))
    with pytest.raises(Conflict):
        swarm.do(ReplaceDataKeys(id="k2", wrapped=wrapped("m2")))
    lost = swarm.engine.read(lambda queries: list(sealed_texts(queries)))
    assert swarm.do(RemoveSealed(texts=lost, actor="operator")) == 1
    swarm.do(ReplaceDataKeys(id="k2", wrapped=wrapped("m2")))
    assert [key.id for key in swarm.engine.read(lambda queries: queries.scan(DATA_KEYS, limit=10))] == ["k2"]
