"""Webhooks, with an endpoint that takes them, refuses, hangs and answers nonsense; nothing leaves the loopback."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.server.sessions import add_user, session_of
from tests.server.test_triggers import act, deliveries, refused, tasks
from tests.server.world import World, opened

from agent_swarm.domain import commands
from agent_swarm.domain.addresses import Address
from agent_swarm.domain.webhooks import Vouched, target_of
from agent_swarm.services.webhooks import signing
from agent_swarm.services.webhooks.sending import NotSent, Sender
from agent_swarm.testing.waiting import until
from agent_swarm.testing.webhook_server import Delivered, WebhookServer, webhook_server
from agent_swarm.vault.backends.settings import BackendSettings
from agent_swarm.vault.finding import FoundKeys
from agent_swarm.vault.keys import Origin, new_key

pytestmark = pytest.mark.anyio

SECRET = "ref:env://HOOK_SECRET"


@pytest.fixture
def endpoint() -> Iterator[WebhookServer]:
    with webhook_server() as server:
        yield server


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("HOOK_SECRET", "a secret of the tests")
    master = new_key(place="SECRETS_ENCRYPTION_KEY", origin=Origin.ENVIRONMENT)
    async with opened(
        tmp_path,
        keys=FoundKeys(tmp_path / ".encryption-key", master),
        backends=BackendSettings(references=("env://HOOK_*",)),
        webhook_allow="127.0.0.1",
        webhook_seconds=2.0,
    ) as world:
        yield world


async def add(world: World, url: str, name: str = "hook", **fields: Any) -> dict[str, Any]:
    """A webhook for what is cancelled, unless said otherwise."""
    webhook = {"url": url, **{key: fields.pop(key) for key in ("secret",) if key in fields}}
    body = {"name": name, "on": "cancelled", "do": {"webhook": webhook}, **fields}
    made: dict[str, Any] = await world.post("/api/triggers", body)
    return made


async def cancelled(world: World, **fields: Any) -> str:
    task_id = await world.file("deploy it", **fields)
    await world.post(f"/api/tasks/{task_id}/cancel")
    return task_id


async def settled(world: World, named: str = "hook", *, status: str = "done") -> dict[str, Any]:
    """The latest delivery, once it stands so."""
    for _ in range(600):
        found = await deliveries(world, named)
        if found and found[0]["status"] == status:
            return found[0]
        await act(world)
        await asyncio.sleep(0.01)
    raise AssertionError(await deliveries(world, named))


async def tried(world: World, times: int, named: str = "hook") -> dict[str, Any]:
    """The latest delivery, once it was tried so often and waits for the next try."""
    for _ in range(600):
        found = (await deliveries(world, named))[:1]
        if found and found[0]["tries"] == times and found[0]["code"]:
            return found[0]
        await act(world)
        await asyncio.sleep(0.01)
    raise AssertionError(await deliveries(world, named))


def require_signed(delivered: Delivered, secret: str) -> None:
    """As a receiver does it that follows Standard Webhooks."""
    content = f"{delivered.id}.{delivered.headers['webhook-timestamp']}.".encode() + delivered.body
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in delivered.headers["webhook-signature"].split()


def test_given_the_example_of_the_standard_when_it_is_signed_then_the_signature_is_the_one_it_names() -> None:
    signed = signing.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1_614_265_330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_given_a_webhook_when_a_task_ends_then_it_comes_signed_with_a_secret_that_was_shown_once(
    world: World, endpoint: WebhookServer
) -> None:
    made = await add(world, endpoint.url)
    assert made["signingSecret"].startswith("whsec_")
    assert "signingSecret" not in await world.get("/api/triggers/hook")
    task_id = await cancelled(world, title="deploy", tags=["x"])
    done = await settled(world)
    (came,) = endpoint.came
    require_signed(came, made["signingSecret"])
    assert (came.path, came.id, came.headers["content-type"]) == ("/hook", done["id"], "application/json")
    said = json.loads(came.body)
    assert (said["type"], said["data"]["trigger"]["name"]) == ("task.cancelled", "hook")
    assert said["data"]["task"]["id"] == task_id
    assert said["data"]["task"]["tags"] == ["x"]
    assert "prompt" not in str(said)
    assert (done["answered"], done["tries"]) == (204, 1)


async def test_given_a_secret_that_is_kept_elsewhere_when_a_task_ends_then_it_is_looked_up_and_nowhere_shown(
    world: World, endpoint: WebhookServer
) -> None:
    made = await add(world, endpoint.url, secret=SECRET)
    assert made["signingSecret"] is None
    trigger = {"on": "cancelled", "do": {"webhook": {"url": endpoint.url, "secret": SECRET}}}
    await cancelled(world, triggers=[trigger])
    await settled(world)
    for came in endpoint.wait_for(2):
        require_signed(came, "a secret of the tests")
    events = await world.get("/api/events", params={"limit": 200})
    assert "a secret of the tests" not in json.dumps(events)


async def test_given_a_viewer_when_a_webhook_is_shown_then_the_path_it_goes_to_is_left_out(
    world: World, endpoint: WebhookServer
) -> None:
    await add(world, endpoint.url)
    viewer = (await session_of(world, await add_user(world, "vera"))).access
    shown = await world.get("/api/triggers/hook", token=viewer)
    assert shown["do"]["webhook"]["url"] == endpoint.url.replace("/hook", "/…")
    assert (await world.get("/api/triggers/hook"))["do"]["webhook"]["url"] == endpoint.url
    task = {"prompt": "x", "triggers": [{"on": "failed", "do": {"webhook": {"url": endpoint.url, "secret": SECRET}}}]}
    await world.post("/api/schedules", {"name": "s", "at": "2040-01-01T00:00:00Z", "tasks": [task]})
    for said, options in (("/…", {"token": viewer}), ("/hook", {})):
        (starts,) = (await world.get("/api/schedules/s", **options))["tasks"]
        assert starts["triggers"][0]["do"]["webhook"]["url"] == endpoint.url.replace("/hook", said)


async def test_given_an_endpoint_that_fails_when_it_is_tried_again_then_the_id_stays_and_pauses_grow(
    world: World, endpoint: WebhookServer
) -> None:
    endpoint.statuses = [500, 429, 204]
    endpoint.headers = {"Retry-After": "100"}
    made = await add(world, endpoint.url)
    await cancelled(world)
    first = await tried(world, 1)
    assert (first["status"], first["answered"], first["code"]) == ("pending", 500, "refused")
    world.clock.advance(50)
    await act(world)
    assert endpoint.began == 1  # it asked to be left alone for longer
    world.clock.advance(60)
    await tried(world, 2)
    world.clock.advance(200)
    done = await settled(world)
    assert (done["tries"], len(set(endpoint.ids)), len(endpoint.ids)) == (3, 1, 3)
    stamps = {came.headers["webhook-timestamp"] for came in endpoint.came}
    assert len(stamps) == 3
    for came in endpoint.came:
        require_signed(came, made["signingSecret"])


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410])
async def test_given_an_endpoint_that_does_not_want_it_when_it_says_so_then_it_is_given_up_at_once(
    world: World, endpoint: WebhookServer, status: int
) -> None:
    endpoint.statuses = [status]
    endpoint.headers = {"Location": endpoint.url}
    await add(world, endpoint.url)
    await cancelled(world)
    lost = await settled(world, status="failed")
    assert (lost["answered"], lost["tries"], endpoint.began) == (status, 1, 1)
    assert (await world.get("/api/triggers/hook"))["failures"] == 1


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "unreachable"),
        (b"hello\r\n\r\n", "badAnswer"),
        (b"HTTP/1.1 200", "unreachable"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "badAnswer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "badAnswer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9, "badAnswer"),
    ],
)
async def test_given_an_endpoint_that_answers_nonsense_when_it_does_then_it_is_tried_again(
    world: World, endpoint: WebhookServer, raw: bytes, code: str
) -> None:
    endpoint.raw = raw
    await add(world, endpoint.url)
    await cancelled(world)
    assert (await tried(world, 1))["code"] == code


async def test_given_an_interim_answer_when_the_real_one_follows_then_that_one_counts(
    world: World, endpoint: WebhookServer
) -> None:
    endpoint.raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    await add(world, endpoint.url)
    await cancelled(world)
    assert (await settled(world))["answered"] == 202


async def test_given_nobody_at_the_address_when_a_day_is_over_then_it_is_given_up_and_can_be_sent_again(
    world: World, endpoint: WebhookServer
) -> None:
    await add(world, "http://127.0.0.1:1/")
    await cancelled(world)
    for times in range(1, 30):
        one = await tried(world, times)
        if one["status"] == "failed":
            break
        world.clock.advance(4 * 3_600)
    assert (one["status"], one["code"]) == ("failed", "unreachable")
    assert 5 <= one["tries"] < 29
    sent = await world.post(f"/api/trigger-deliveries/{one['id']}/redeliver")
    assert (sent["status"], sent["id"]) == ("pending", one["id"])
    error = await refused(world, "POST", f"/api/trigger-deliveries/{one['id']}/redeliver", 409)
    assert "under way" in error["message"]


@pytest.mark.slow
async def test_given_a_slow_endpoint_when_many_wait_for_it_then_no_other_waits(
    world: World, endpoint: WebhookServer
) -> None:
    with webhook_server(hangs=True) as slow:
        await add(world, slow.url, "slow")
        await add(world, endpoint.url, "quick")
        for _ in range(20):
            await cancelled(world)
        await until(lambda: len(endpoint.came) == 20)
        assert len(slow.came) == 0
        assert slow.began <= 8  # four at a time, of this server and of the one that a test runs by hand
        slow.released.set()
        for _ in range(20):
            world.clock.advance(120)
            await act(world)
        await until(lambda: len(set(slow.ids)) == 20)


async def test_given_the_kill_switch_when_a_task_has_ended_then_nothing_is_sent_until_it_is_lifted(
    world: World, endpoint: WebhookServer
) -> None:
    await add(world, endpoint.url)
    endpoint.statuses = [500, 204]
    await cancelled(world)
    await tried(world, 1)
    await world.post("/api/kill-switch", {"action": "activate", "reason": "r"})
    world.clock.advance(600)
    await act(world)
    assert endpoint.began == 1
    await world.post("/api/kill-switch", {"action": "lift"})
    await settled(world)
    assert endpoint.began == 2


async def test_given_the_kill_switch_of_a_swarm_when_a_task_of_it_ends_then_nothing_is_sent(
    world: World, endpoint: WebhookServer
) -> None:
    await add(world, endpoint.url)
    await world.post("/api/swarms", {"name": "checkout"})
    task_id = await world.file("x", swarm="checkout")
    await world.post("/api/kill-switch", {"action": "activate", "scope": "swarm", "id": "checkout"})
    await world.command(commands.Cancel(task_id=task_id))
    assert (await tried(world, 1))["code"] == "killed"
    assert endpoint.began == 0
    assert (await world.get("/api/triggers/hook"))["failures"] == 0
    await world.post("/api/kill-switch", {"action": "lift", "scope": "swarm", "id": "checkout"})
    world.clock.advance(10)
    await settled(world)
    assert endpoint.began == 1


async def test_given_an_address_that_is_not_public_when_nobody_allows_it_then_it_is_refused_at_once(
    tmp_path: Path, endpoint: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s")
    backends = BackendSettings(references=("env://HOOK_*",))
    async with opened(tmp_path, backends=backends) as world:
        await add(world, endpoint.url, secret=SECRET)
        await cancelled(world)
        lost = await settled(world, status="failed")
    assert (lost["code"], lost["tries"], endpoint.began) == ("addressRefused", 1, 0)
    assert "AGENT_SWARM_WEBHOOK_ALLOW=127.0.0.1" in lost["message"]


async def test_given_a_name_that_leads_elsewhere_the_next_moment_then_the_address_that_was_judged_is_dialled(
    endpoint: WebhookServer,
) -> None:
    asked: list[str] = []

    async def look_up(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    port = target_of(endpoint.url).port
    target = target_of(f"http://hooks.example:{port}/x")
    sender = Sender(Vouched.parse(["hooks.example"]), seconds=2.0, look_up=look_up)
    assert (await sender.send(target, {"Webhook-Id": "i"}, b"{}")).status == 204
    assert asked == ["hooks.example"]
    assert endpoint.came[0].headers["host"] == f"hooks.example:{port}"
    unknown = Sender(Vouched(), seconds=2.0, look_up=look_up)
    with pytest.raises(NotSent, match="not public") as denied:
        await unknown.send(target, {}, b"{}")
    assert denied.value.is_final
    sender.close()
    unknown.close()


async def test_given_a_trigger_that_is_removed_when_its_delivery_waits_then_it_is_given_up(
    world: World, endpoint: WebhookServer
) -> None:
    endpoint.statuses = [500]
    made = await add(world, endpoint.url)
    await cancelled(world)
    await tried(world, 1)
    await world.call("DELETE", "/api/triggers/hook")
    world.clock.advance(600)
    lost = await settled(world, made["id"], status="failed")
    assert lost["code"] == "notFound"
    assert len(await tasks(world)) == 1
