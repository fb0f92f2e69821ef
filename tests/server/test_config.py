"""`/api/config` and `/api/keys`, as people and scripts call them."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.world import API_KEY, World, opened
from tests.services.secrets.house import OPERATOR

from agent_swarm.domain.ids import new_id
from agent_swarm.protocol import rest_config
from agent_swarm.server import parts
from agent_swarm.server.node import Node
from agent_swarm.server.running import serving
from agent_swarm.server.settings import ServerSettings, load_settings, with_stored
from agent_swarm.server.stopping import Stopping
from agent_swarm.server.unserved import UnservedWatch
from agent_swarm.services import tokens
from agent_swarm.store.base import Store
from agent_swarm.store.families.configuration import CONFIG
from agent_swarm.store.operations import PutToken
from agent_swarm.store.records import TokenKind
from agent_swarm.vault.finding import FoundKeys
from agent_swarm.vault.keys import MasterKey, Origin, new_key

pytestmark = pytest.mark.anyio

SECRET = "hunter2-hunter2-hunter2"
RESERVED = ["API_KEY", "api_key", "SECRETS_ENCRYPTION_KEY", "Secrets_Encryption_Key", "AGENT_SWARM_API_KEY"]


@pytest.fixture
def master() -> MasterKey:
    return new_key(place="SECRETS_ENCRYPTION_KEY", origin=Origin.ENVIRONMENT)


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str, master: MasterKey) -> AsyncIterator[World]:
    async with opened(tmp_path, keys=FoundKeys(tmp_path / ".encryption-key", master)) as world:
        yield world


async def put(world: World, key: str = "TOKEN", value: Any = SECRET, **fields: Any) -> Any:
    body = {"scope": "global", "key": key, "value": value, "isSecret": True, **fields}
    return await world.call("PUT", "/api/config", json={name: one for name, one in body.items() if one is not None})


async def stored(world: World, key: str = "TOKEN", **fields: Any) -> Any:
    answer = await put(world, key, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def events(world: World, beginning: str = "config.") -> list[Any]:
    found = await world.store.read(lambda queries: queries.events_after(0, limit=500))
    return [event for event in found if event.type.startswith(beginning)]


async def token_without(world: World, *scopes: tokens.Scope) -> str:
    """An operator's token that may do everything but that."""
    minted = tokens.mint(TokenKind.OPERATOR, now=world.store.now(), label="limited")
    left = tuple(scope for scope in minted.record.scopes if scope not in scopes)
    from dataclasses import replace

    await world.store.apply(PutToken(token=replace(minted.record, scopes=left)))
    return minted.text


async def test_given_a_secret_when_it_is_put_and_listed_then_its_value_is_nowhere(world: World) -> None:
    answer = await stored(world)
    listed = await world.get("/api/config")
    single = await world.get(f"/api/config/{answer['id']}")
    winners = await world.get("/api/config/resolved")
    assert (answer["value"], answer["isSecret"], answer["use"]) == (None, True, "environment")
    assert listed["entries"] == winners["entries"] == [single] == [answer]
    told = await events(world)
    assert [(event.type, event.data["isSecret"], event.data["isNew"]) for event in told] == [("config.set", True, True)]
    everything = await world.store.read(lambda q: [q.scan(CONFIG, limit=9), q.events_after(0, limit=99)])
    assert SECRET not in repr(everything)


async def test_given_a_secret_when_its_value_is_asked_for_then_an_event_tells_of_it_first(world: World) -> None:
    entry = await stored(world)
    await stored(world, "PLAIN", value="text", isSecret=False)
    for path in ("/api/config", "/api/config/resolved"):
        page = await world.get(f"{path}?includeSecrets=true")
        assert {one["key"]: one["value"] for one in page["entries"]} == {"TOKEN": SECRET, "PLAIN": "text"}
    assert (await world.get(f"/api/config/{entry['id']}?includeSecrets=true"))["value"] == SECRET
    told = [event for event in await events(world) if event.type == "config.revealed"]
    assert [(event.data["key"], event.actor) for event in told] == [("TOKEN", "operator")] * 3


async def test_given_a_token_without_the_scope_when_it_asks_for_values_then_it_is_denied_and_no_event_lies(
    world: World,
) -> None:
    entry = await stored(world)
    token = await token_without(world, tokens.Scope.CONFIG_ADMIN)
    for path in ("/api/config", "/api/config/resolved", f"/api/config/{entry['id']}"):
        answer = await world.call("GET", f"{path}?includeSecrets=true", token=token)
        assert answer.status_code == 403
        assert SECRET not in answer.text
        assert (await world.call("GET", path, token=token)).status_code == 200
    assert [event.type for event in await events(world)] == ["config.set"]


@pytest.mark.parametrize("key", RESERVED)
async def test_given_a_reserved_name_when_it_is_put_then_it_is_refused_and_nothing_is_stored(
    world: World, key: str
) -> None:
    answer = await put(world, key)
    assert answer.status_code == 422
    assert "reserved" in answer.json()["error"]["message"]
    assert SECRET not in answer.text
    assert (await world.get("/api/config"))["entries"] == []


async def test_given_a_secret_when_the_same_value_is_put_then_nothing_changes_and_no_event_is_made(
    world: World,
) -> None:
    first = await stored(world)
    before = await world.store.read(lambda queries: queries.scan(CONFIG, limit=9))
    world.clock.advance(60)
    assert await stored(world) == first
    assert await world.store.read(lambda queries: queries.scan(CONFIG, limit=9)) == before
    assert (await stored(world, value="another value"))["id"] == first["id"]
    assert len(await events(world)) == 2


async def test_given_a_secret_when_it_is_to_be_plain_without_a_new_value_then_it_is_refused(world: World) -> None:
    await stored(world)
    refused = await put(world, value=None, isSecret=False)
    assert refused.status_code == 409
    assert "is a secret" in refused.json()["error"]["message"]
    assert SECRET not in refused.text
    assert (await stored(world, value="for everybody", isSecret=False))["value"] == "for everybody"


async def test_given_an_entry_when_only_what_it_is_was_left_out_then_it_stays_what_it_is(world: World) -> None:
    await stored(world)
    again = await stored(world, value="a new secret value", isSecret=None)
    assert (again["isSecret"], again["value"]) == (True, None)
    plain = await stored(world, "PLAIN", value="text", isSecret=None)
    assert (plain["isSecret"], plain["value"]) == (False, "text")
    hidden = await stored(world, "PLAIN", value=None, isSecret=True)
    assert (hidden["isSecret"], hidden["value"]) == (True, None)
    shown = await world.get("/api/config?key=PLAIN&includeSecrets=true")
    assert shown["entries"][0]["value"] == "text"


@pytest.mark.parametrize(
    "fields",
    [
        {"value": ""},
        {"value": "x" * (64 * 1024 + 1)},
        {"value": "ü" * (33 * 1024)},
        {"value": 5},
        {"key": "no name"},
        {"key": "a" * 129},
        {"scope": "nowhere"},
        {"scope": "global", "scopeId": "x"},
        {"scope": "project"},
        {"scope": "project", "scopeId": "unknown"},
        {"scope": "agent", "scopeId": "no-id"},
        {"extra": 1},
    ],
    ids=str,
)
async def test_given_what_cannot_be_stored_when_it_is_put_then_it_is_refused_by_name(
    world: World, fields: dict[str, Any]
) -> None:
    answer = await put(world, **{"key": "TOKEN", **fields})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["message"]
    assert "xxxx" not in answer.text


async def test_given_entries_at_every_place_when_resolved_then_each_says_where_it_comes_from(world: World) -> None:
    project = await world.post("/api/projects", {"name": "shop", "repoUrl": "https://git.example/shop.git"})
    await world.post("/api/swarms", {"name": "blue"})
    agent = new_id()
    for scope, scope_id in (("global", None), ("swarm", "blue"), ("project", "shop"), ("agent", agent)):
        await stored(world, "NAME", value=scope, scope=scope, scopeId=scope_id, isSecret=False)
    await stored(world, "ONLY_GLOBAL", value="here", isSecret=False)

    async def winner(query: str) -> tuple[str, str]:
        found = (await world.get(f"/api/config/resolved?key=NAME{query}"))["entries"][0]
        return found["scope"], found["value"]

    assert await winner("") == ("global", "global")
    assert await winner("&swarm=blue") == ("swarm", "swarm")
    assert await winner("&swarm=blue&project=shop") == ("project", "project")
    assert await winner(f"&swarm=blue&project={project['id']}&agentId={agent}") == ("agent", "agent")
    everything = (await world.get("/api/config/resolved?project=shop"))["entries"]
    assert [(one["key"], one["scope"]) for one in everything] == [("NAME", "project"), ("ONLY_GLOBAL", "global")]


async def test_given_many_entries_when_listed_in_pages_and_by_filters_then_each_is_there_once(world: World) -> None:
    await world.post("/api/swarms", {"name": "blue"})
    for number in range(7):
        await stored(world, f"N{number}", value="x", isSecret=False)
        await stored(world, f"N{number}", value="x", isSecret=False, scope="swarm", scopeId="blue")
    found, cursor = [], ""
    while True:
        page = await world.get(f"/api/config?limit=3{cursor}")
        found += [(one["scope"], one["key"]) for one in page["entries"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == sorted(found)
    assert len(set(found)) == len(found) == 14
    assert len((await world.get("/api/config?scope=swarm&scopeId=blue"))["entries"]) == 7
    assert len((await world.get("/api/config?scope=global"))["entries"]) == 7
    assert len((await world.get("/api/config?key=N3"))["entries"]) == 2
    assert len((await world.get("/api/config?scope=swarm&scopeId=blue&key=N3"))["entries"]) == 1


async def test_given_an_entry_when_it_is_removed_then_it_is_gone_and_a_second_time_unknown(world: World) -> None:
    entry = await stored(world)
    removed = await world.call("DELETE", f"/api/config/{entry['id']}")
    assert (removed.status_code, removed.json()["value"]) == (200, None)
    assert (await world.call("DELETE", f"/api/config/{entry['id']}")).status_code == 404
    assert (await world.get("/api/config"))["entries"] == []


async def test_given_a_setting_when_it_is_stored_then_its_value_has_to_be_one(world: World) -> None:
    refused = await put(world, "AGENT_SWARM_NO_AGENT_MINUTES", value="soon", isSecret=False)
    assert refused.status_code == 422
    assert "a number of minutes" in refused.json()["error"]["message"]
    entry = await stored(world, "AGENT_SWARM_NO_AGENT_MINUTES", value="7", isSecret=False)
    assert entry["use"] == "setting"


@pytest.mark.parametrize(
    ("toml", "stored_as", "variable", "minutes"),
    [("", None, "", 5), ("3", None, "", 3), ("3", "7", "", 7), ("3", "7", "9", 9), ("", "nonsense", "", 5)],
)
def test_given_a_setting_at_several_places_when_a_server_starts_then_the_later_one_of_their_order_wins(
    tmp_path: Path, toml: str, stored_as: str | None, variable: str, minutes: float
) -> None:
    if toml:
        (tmp_path / "config.toml").write_text(f"[server]\nno_agent_minutes = {toml}\n")
    environ = {"DATA_DIR": str(tmp_path), "AGENT_SWARM_NO_AGENT_MINUTES": variable}
    found = {} if stored_as is None else {"AGENT_SWARM_NO_AGENT_MINUTES": stored_as, "PORT": "1", "HOST": "x"}
    settings = with_stored(load_settings(environ=environ), found)
    assert settings.no_agent_minutes == minutes
    assert (settings.port, settings.host) == (3013, "127.0.0.1")  # what is read before the database is open


@pytest.mark.slow
async def test_given_a_stored_setting_when_a_server_starts_on_its_database_then_it_goes_by_it(tmp_path: Path) -> None:
    settings = ServerSettings(data_dir=tmp_path, api_key=API_KEY)
    async with serving(settings, API_KEY, Stopping(), Node()) as app:
        body = rest_config.ConfigInput.model_validate(
            {"scope": "global", "key": "AGENT_SWARM_NO_AGENT_MINUTES", "value": "7", "isSecret": True}
        )
        await app.context.configuration.put(body, by=OPERATOR)
    seen: list[float] = []

    def watched(store: Store, *, minutes: float) -> UnservedWatch:
        seen.append(minutes)
        return UnservedWatch(store, minutes=minutes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "UnservedWatch", watched)
        async with serving(settings, API_KEY, Stopping(), Node()):
            pass
    assert seen == [7.0]


async def test_given_no_key_when_a_secret_is_put_then_it_says_how_to_get_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        answer = await put(world)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "encryptionKeyMissing")
        assert "openssl rand -base64 32" in answer.json()["error"]["hint"]
        assert (await put(world, value="text", isSecret=False)).status_code == 200


async def test_given_keys_when_they_are_changed_by_request_then_the_answer_says_what_is_left_to_do(
    world: World, master: MasterKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await stored(world)
    new = new_key()
    first = await world.get("/api/keys")
    assert (first["masterKeyId"], first["masterKeyPlace"]) == (master.id, "SECRETS_ENCRYPTION_KEY")
    assert [key["values"] for key in first["dataKeys"]] == [1]
    status = await world.post("/api/keys/rotate", {"newKey": new.text})
    assert status["nextMasterKeyId"] == new.id
    assert "set SECRETS_ENCRYPTION_KEY" in status["toDo"]
    early = await world.call("POST", "/api/keys/finish")
    assert early.status_code == 409
    report = await world.post("/api/keys/verify")
    assert (report["values"], report["unreadable"]) == (1, [])
    assert (await world.post("/api/keys/give-up"))["nextMasterKeyId"] is None
    everything = json.dumps([first, status, report]) + early.text + caplog.text
    assert not any(text in everything for text in (new.text, master.text, new.material.hex()))


async def test_given_the_data_key_when_it_is_changed_by_request_then_values_move_without_anybody_waiting(
    world: World,
) -> None:
    await stored(world)
    await world.post("/api/keys/rotate", {"masterKey": False, "dataKey": True})
    await world.app.context.keeping_keys.run_once()
    status = await world.get("/api/keys")
    assert [(key["version"], key["isActive"], key["values"]) for key in status["dataKeys"]] == [(2, True, 1)]
    assert (await world.get("/api/config?includeSecrets=true"))["entries"][0]["value"] == SECRET


@pytest.mark.parametrize("body", [{"newKey": "short"}, {"masterKey": False}, {"newKey": "x" * 43, "other": 1}])
async def test_given_a_request_that_makes_no_sense_when_keys_are_to_change_then_it_is_refused_without_being_shown(
    world: World, body: Any
) -> None:
    answer = await world.call("POST", "/api/keys/rotate", json=body)
    assert answer.status_code == 422
    assert "short" not in answer.text
    assert "xxxx" not in answer.text


async def test_given_a_token_without_the_scope_when_it_wants_to_change_keys_then_it_is_denied(world: World) -> None:
    token = await token_without(world, tokens.Scope.CONFIG_ADMIN)
    for action in ("rotate", "finish", "give-up", "verify"):
        assert (await world.call("POST", f"/api/keys/{action}", token=token, json={})).status_code == 403
    assert (await world.call("GET", "/api/keys", token=token)).status_code == 200


async def test_given_a_secret_that_was_stored_when_agents_say_it_then_it_is_taken_out(world: World) -> None:
    await stored(world)
    assert SECRET not in world.app.context.redactor.text(f"the token is {SECRET}!")


async def test_given_the_id_of_a_place_without_its_scope_when_entries_are_listed_then_it_is_refused(
    world: World,
) -> None:
    assert (await put(world, value="x", isSecret=False)).status_code == 200
    answer = await world.call("GET", "/api/config?scopeId=shop")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalidInput")
