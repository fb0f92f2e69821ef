"""What pages of browsers may do: nothing that was not allowed on purpose."""

from pathlib import Path
from typing import Any

import pytest
from tests.server.sessions import add_user, session_of
from tests.server.test_people import UNKNOWN
from tests.server.world import Live, Messages, World

from agent_swarm.config import SettingError
from agent_swarm.server.cors import Cors, parse_origins
from agent_swarm.server.settings import load_settings

pytestmark = pytest.mark.anyio

PAGE = "https://swarm.example.com"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.mark.parametrize("path", ["/health", "/docs", "/api/tasks", f"/api/agents/{UNKNOWN}", "/nowhere"])
async def test_given_any_answer_when_a_browser_gets_it_then_it_is_not_guessed_at_framed_or_told_on(
    world: World, path: str
) -> None:
    headers = (await world.call("GET", path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


async def test_given_no_origins_when_another_page_asks_then_it_gets_no_leave(world: World) -> None:
    for method, more in (("GET", {}), ("OPTIONS", PREFLIGHT)):
        answer = await world.call(method, "/api/tasks", headers={"origin": PAGE, **more})
        assert not any(name.startswith("access-control") for name in answer.headers)


async def asked(world: World, origins: str, method: str, origin: str, **more: str) -> Any:
    world.app.middleware_stack = Cors(world.app.build_middleware_stack(), parse_origins(origins))
    return await world.call(method, "/api/tasks", headers={"origin": origin, **more})


async def test_given_an_allowed_origin_when_its_page_asks_then_it_gets_leave_and_others_do_not(world: World) -> None:
    allowed = await asked(world, PAGE, "GET", PAGE)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    assert allowed.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in allowed.headers

    preflight = await asked(world, PAGE, "OPTIONS", PAGE, **PREFLIGHT)
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]

    for origin in ("https://evil.example", f"{PAGE}.evil.example", "null", PAGE.upper()):
        for method, more in (("GET", {}), ("OPTIONS", PREFLIGHT)):
            refused = await asked(world, PAGE, method, origin, **more)
            assert not any(name.startswith("access-control") for name in refused.headers)


async def test_given_any_origin_when_a_page_asks_then_the_star_is_answered(world: World) -> None:
    assert (await asked(world, "*", "GET", PAGE)).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origins", ["swarm.example.com", "ftp://a.example", "https://a.example/path", "https://"])
def test_given_origins_that_are_none_when_settings_are_read_then_they_are_refused(tmp_path: Path, origins: str) -> None:
    with pytest.raises(SettingError, match="CORS_ORIGINS"):
        load_settings(environ={"CORS_ORIGINS": origins, "DATA_DIR": str(tmp_path)})


@pytest.mark.parametrize(
    ("variable", "text"), [("AGENT_SWARM_RATE_LIMITS", "read=fast"), ("AGENT_SWARM_TRUSTED_PROXIES", "proxy")]
)
def test_given_limits_or_proxies_that_are_none_when_settings_are_read_then_they_are_refused(
    tmp_path: Path, variable: str, text: str
) -> None:
    with pytest.raises(SettingError, match=variable):
        load_settings(environ={variable: text, "DATA_DIR": str(tmp_path)})


@pytest.mark.slow
async def test_given_a_stream_when_its_session_is_ended_then_it_ends_at_once(live: Live) -> None:
    world = live.world
    ada = await session_of(world, await add_user(world, "ada"))
    bob = await session_of(world, await add_user(world, "bob"))
    headers = {"accept": "text/event-stream"}
    async with (
        live.client.stream(
            "GET", f"{live.url}/api/events", headers={**headers, "authorization": f"Bearer {ada.access}"}, timeout=10
        ) as adas,
        live.client.stream(
            "GET", f"{live.url}/api/events", headers={**headers, "authorization": f"Bearer {bob.access}"}, timeout=10
        ) as bobs,
    ):
        messages, others = Messages(adas.aiter_lines()), Messages(bobs.aiter_lines())
        await messages.comment("connected")
        await others.comment("connected")

        await world.post("/api/auth/revoke", {"user": "ada"})

        assert await messages.ended()  # well before the next sign of life, 15 s away
        assert (await others.next())["data"]["type"] == "session.ended"
