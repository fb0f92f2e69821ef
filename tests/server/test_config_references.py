"""Stored values that say where a secret is kept: what is refused when they are stored, and what is shown of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.world import World, opened

from agent_swarm.vault.backends import catalog
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.vault.finding import FoundKeys
from agent_swarm.vault.keys import Origin, new_key

pytestmark = pytest.mark.anyio

ALLOWED = ("env://SHOP_*", "keyring://swarm/*", "aws-sm://*", "vault://secret/data/swarm/*")


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    master = new_key(place="SECRETS_ENCRYPTION_KEY", origin=Origin.ENVIRONMENT)
    backends = BackendSettings(references=ALLOWED)
    async with opened(tmp_path, keys=FoundKeys(tmp_path / ".encryption-key", master), backends=backends) as world:
        yield world


async def put(world: World, value: str, key: str = "TOKEN", **fields: Any) -> Any:
    return await world.call("PUT", "/api/config", json={"scope": "global", "key": key, "value": value, **fields})


@pytest.mark.parametrize("is_secret", [False, True])
async def test_given_a_reference_when_it_is_stored_then_it_is_stored_and_shown_as_it_is(
    world: World, is_secret: bool
) -> None:
    answer = await put(world, "ref:env://SHOP_TOKEN", isSecret=is_secret)
    assert answer.status_code == 200, answer.text
    shown = await world.get(f"/api/config/{answer.json()['id']}?includeSecrets=true")
    assert (shown["value"], shown["use"]) == ("ref:env://SHOP_TOKEN", "environment")


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("ref:hunter2-hunter2", "names no secret backend; expected one of: env, file", "write it like ref:vault://"),
        ("ref:vault://hunter2-hunter2", "the reference to vault cannot be read", "ref:vault://secret/data/github#to"),
        ("ref:env://SHOP TOKEN", "the reference to env cannot be read", "write it like ref:env://GITHUB_TOKEN"),
        ("ref:env://HOME", "matches none of AGENT_SWARM_SECRET_REFERENCES", "an operator of the server can allow it"),
        ("ref:vault://secret/data/swarm/a", "this server knows no Vault", "set VAULT_ADDR"),
    ],
)
async def test_given_a_reference_that_could_not_be_followed_when_it_is_stored_then_it_is_refused_with_the_remedy(
    world: World, value: str, message: str, hint: str
) -> None:
    answer = await put(world, value)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]) == (422, "invalidInput", {"field": "value"})
    assert message in error["message"]
    assert hint in error["hint"]
    assert "hunter2" not in answer.text
    assert (await world.get("/api/config"))["entries"] == []


@pytest.mark.parametrize(
    ("value", "extra"), [("ref:keyring://swarm/github", "keyring"), ("ref:aws-sm://prod/github#token", "cloud")]
)
async def test_given_a_backend_that_is_not_installed_when_it_is_referred_to_then_the_refusal_names_the_extra(
    world: World, monkeypatch: pytest.MonkeyPatch, value: str, extra: str
) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda _: None)
    answer = await put(world, value)
    assert answer.status_code == 422
    assert answer.json()["error"]["hint"] == f'install the extra: pip install "agent-swarm[{extra}]"'


async def test_given_a_setting_of_the_server_when_a_reference_is_stored_for_it_then_it_is_refused(world: World) -> None:
    answer = await put(world, "ref:env://SHOP_TOKEN", key="AGENT_SWARM_NO_AGENT_MINUTES")
    assert answer.status_code == 422
    assert "is a setting of the server, which follows no references" in answer.json()["error"]["message"]


async def test_given_no_allowed_references_when_one_is_stored_then_it_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        answer = await put(world, "ref:env://SHOP_TOKEN")
        assert answer.status_code == 422
        assert "AGENT_SWARM_SECRET_REFERENCES is not set" in answer.json()["error"]["message"]
