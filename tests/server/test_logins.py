"""Logging in, staying logged in, and being kept from guessing."""

import asyncio
from typing import Any

import httpx2
import pytest
from tests.server.sessions import PASSWORD, add_user, pair_of, session_of, sessions_of, signing_key
from tests.server.world import API_KEY, World

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.lockout import PAIR
from agent_swarm.domain.roles import Role
from agent_swarm.server import hashing
from agent_swarm.server.hashing import Hashing
from agent_swarm.services import passwords, sessions, tokens
from agent_swarm.store.families.accounts import SESSIONS, owner_of
from agent_swarm.store.families.sessions import MOST_PER_OWNER
from agent_swarm.store.operations import PutToken

pytestmark = pytest.mark.anyio

TOKEN = "/api/auth/token"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same algorithm with little memory; what it costs has a test of its own."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PASSES", 1)


async def log_in(world: World, **body: Any) -> httpx2.Response:
    return await world.call("POST", TOKEN, token=None, json=body)


async def ada(world: World, role: str = "viewer") -> None:
    await world.post("/api/users", {"name": "ada", "role": role, "password": PASSWORD})


async def tokens_for(world: World, **body: Any) -> dict[str, Any]:
    answer = await log_in(world, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def status(world: World, token: str, path: str = "/api/auth/me") -> int:
    return (await world.call("GET", path, token=token)).status_code


async def events(world: World, event_type: str) -> list[dict[str, Any]]:
    found = (await world.get(f"/api/events?limit=200&types={event_type}"))["events"]
    return list(found)


async def test_given_a_user_when_the_password_is_right_then_the_tokens_carry_the_role(world: World) -> None:
    await ada(world, "operator")

    answer = await log_in(world, username="Ada", password=PASSWORD)

    assert answer.headers["cache-control"] == "no-store"
    pair = answer.json()
    assert (pair["tokenType"], pair["expiresIn"], pair["role"]) == ("Bearer", 900, "operator")
    me = await world.get("/api/auth/me", token=pair["accessToken"])
    assert (me["actor"], me["role"]) == ("user:ada", "operator")
    assert "tasks:write" in me["scopes"] and "users:admin" not in me["scopes"]


async def test_given_a_user_when_tasks_are_filed_then_events_name_the_user_whatever_the_request_says(
    world: World,
) -> None:
    await ada(world, "operator")
    token = (await tokens_for(world, username="ada", password=PASSWORD))["accessToken"]
    forged = {"x-actor": "operator", "from": "eve", "x-user": "eve"}

    task = await world.post("/api/tasks", {"prompt": "x"}, token=token, headers=forged)

    assert task["createdBy"] == "user:ada"
    assert (await events(world, "task.created"))[0]["actor"] == "user:ada"
    refused = await world.call("POST", "/api/tasks", token=token, json={"prompt": "x", "actor": "eve"})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "ada"},
        {"password": PASSWORD},
        {"cookie": True},
        {"username": "ada", "password": PASSWORD, "apiKey": API_KEY},
        {"apiKey": API_KEY, "refreshToken": "x"},
        {"username": "no spaces here", "password": PASSWORD},
        {"username": "ada", "password": "x" * 3_000},
        {"username": "ada", "password": PASSWORD, "role": "admin"},
    ],
)
async def test_given_a_log_in_that_is_none_when_it_comes_then_it_is_422(world: World, body: dict[str, Any]) -> None:
    assert (await log_in(world, **body)).status_code == 422


async def test_given_an_unknown_user_a_wrong_password_and_a_disabled_user_when_they_log_in_then_answers_are_equal(
    world: World,
) -> None:
    await ada(world)
    await world.post("/api/users", {"name": "bob", "role": "viewer", "password": PASSWORD})
    await world.call("PATCH", "/api/users/bob", json={"disabled": True})

    answers = [
        await log_in(world, username="nobody", password=PASSWORD),
        await log_in(world, username="ada", password="wrong horse battery"),
        await log_in(world, username="bob", password=PASSWORD),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1


async def test_given_an_unknown_user_and_a_wrong_password_when_they_log_in_then_both_cost_the_same_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada(world)
    await world.post("/api/users", {"name": "bob", "role": "viewer", "password": PASSWORD})
    await world.call("PATCH", "/api/users/bob", json={"disabled": True})
    passwords._nobodys_hash.cache_clear()
    passwords._nobodys_hash()
    real, costs = passwords._argon2id(), []

    class Counted:
        @staticmethod
        def verify_phc_encoded(password: bytes, phc: str) -> None:
            costs.append(phc.split("$")[1:4])
            real.verify_phc_encoded(password, phc)

    monkeypatch.setattr(passwords, "_argon2id", lambda: Counted)
    for name in ("ada", "bob", "nobody"):
        await log_in(world, username=name, password="wrong horse battery")
    passwords._nobodys_hash.cache_clear()

    assert costs == [["argon2id", "v=19", "m=64,t=1,p=1"]] * 3


async def test_given_wrong_passwords_when_there_were_too_many_then_log_ins_from_there_are_locked_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada(world)
    for name in ("ada", "nobody"):
        for _ in range(PAIR.free):
            assert (await log_in(world, username=name, password="wrong horse battery")).status_code == 401

        locked = await log_in(world, username=name, password=PASSWORD)

        assert (locked.status_code, locked.headers["retry-after"]) == (429, "2")
    assert (await log_in(world, apiKey=API_KEY)).status_code == 200  # an API key always works

    world.clock.advance(2)
    assert (await log_in(world, username="ada", password=PASSWORD)).status_code == 200
    for _ in range(PAIR.free - 1):  # the tally of this address starts anew
        assert (await log_in(world, username="ada", password="wrong horse battery")).status_code == 401


async def test_given_a_lock_on_one_address_when_the_user_comes_from_another_then_it_is_open(world: World) -> None:
    await ada(world)
    logins = world.app.context.logins
    for _ in range(PAIR.free):
        await log_in(world, username="ada", password="wrong horse battery")

    pair = await logins.with_password("ada", PASSWORD, address="198.51.100.7")

    assert pair.role is Role.VIEWER
    assert (await log_in(world, username="ada", password=PASSWORD)).status_code == 429


async def test_given_log_ins_without_end_when_the_rate_is_used_up_then_they_are_429_whatever_the_header_says(
    world: World,
) -> None:
    codes = [
        (
            await world.call(
                "POST",
                TOKEN,
                token=None,
                json={"username": f"u{number}", "password": "wrong horse battery"},
                headers={"x-forwarded-for": f"203.0.113.{number}"},
            )
        ).status_code
        for number in range(22)
    ]

    assert codes == [401] * 20 + [429] * 2


async def test_given_many_log_ins_at_once_when_too_many_wait_then_the_rest_is_told_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WAITING", 1)
    working = Hashing()
    stored = passwords.hash_password(PASSWORD)

    answers = await asyncio.gather(
        *(working.is_right(PASSWORD, stored) for _ in range(hashing.AT_ONCE + 3)), return_exceptions=True
    )
    working.close()

    assert [answer is True for answer in answers].count(True) == hashing.AT_ONCE + 1
    assert len(answers) - hashing.AT_ONCE - 1 == sum(getattr(answer, "code", "") == "busy" for answer in answers)


async def test_given_a_refresh_token_when_it_is_used_then_it_gives_the_next_pair_once(world: World) -> None:
    pair = await session_of(world, await add_user(world, "ada"))

    following = await tokens_for(world, refreshToken=pair.refresh)

    assert following["refreshToken"] != pair.refresh
    assert await status(world, following["accessToken"]) == 200
    assert await status(world, pair.access) == 200  # until it runs out


async def test_given_a_used_refresh_token_when_it_comes_again_then_the_whole_session_ends(world: World) -> None:
    pair = await session_of(world, await add_user(world, "ada"))
    following = await tokens_for(world, refreshToken=pair.refresh)
    assert await status(world, following["accessToken"]) == 200

    assert (await log_in(world, refreshToken=pair.refresh)).status_code == 401

    assert await status(world, following["accessToken"]) == 401
    assert (await log_in(world, refreshToken=following["refreshToken"])).status_code == 401
    ended = (await events(world, "session.ended"))[-1]
    assert ended["data"] == {"owner": "user:ada", "reason": "reused"}


async def test_given_one_refresh_token_twice_at_once_when_both_come_then_one_wins_and_the_session_ends(
    world: World,
) -> None:
    pair = await session_of(world, await add_user(world, "ada"))

    answers = await asyncio.gather(*(log_in(world, refreshToken=pair.refresh) for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert await status(world, pair.access) == 401


async def test_given_an_access_token_when_its_time_is_over_then_only_a_refresh_helps(world: World) -> None:
    pair = await session_of(world, await add_user(world, "ada"))
    assert await status(world, pair.access) == 200  # and it is remembered

    world.clock.advance(sessions.ACCESS_SECONDS + 6)

    assert await status(world, pair.access) == 401
    assert (await log_in(world, refreshToken=pair.access)).status_code == 401
    assert await status(world, (await tokens_for(world, refreshToken=pair.refresh))["accessToken"]) == 200


async def test_given_a_session_that_is_refreshed_when_it_rests_or_grows_old_then_it_ends(world: World) -> None:
    token = (await session_of(world, await add_user(world, "ada"))).refresh
    for _ in range(5):
        world.clock.advance(6 * 86400 - 60)
        token = (await tokens_for(world, refreshToken=token))["refreshToken"]
    world.clock.advance(86400)  # 30 days have gone, 1 of them since the last refresh
    assert (await log_in(world, refreshToken=token)).status_code == 401

    rested = await session_of(world, await add_user(world, "bob"))
    world.clock.advance(7 * 86400 + 10)
    assert (await log_in(world, refreshToken=rested.refresh)).status_code == 401


@pytest.mark.parametrize("change", [{"password": "another horse battery"}, {"disabled": True}, "remove"])
async def test_given_an_open_session_when_its_user_may_not_log_in_so_any_more_then_it_ends_at_once(
    world: World, change: Any
) -> None:
    user = await add_user(world, "ada")
    pair = await session_of(world, user)
    assert await status(world, pair.access) == 200

    if change == "remove":
        assert (await world.call("DELETE", "/api/users/ada")).status_code == 200
        await add_user(world, "ada")  # another one of the same name
    else:
        assert (await world.call("PATCH", "/api/users/ada", json=change)).status_code == 200

    assert await status(world, pair.access) == 401
    assert (await log_in(world, refreshToken=pair.refresh)).status_code == 401
    assert (await events(world, "session.ended"))[-1]["actor"] == "operator"


async def test_given_an_open_session_when_the_role_changes_then_the_next_request_has_the_new_one(
    world: World,
) -> None:
    pair = await session_of(world, await add_user(world, "ada", Role.ADMIN))
    assert await status(world, pair.access, "/api/users") == 200

    await world.call("PATCH", "/api/users/ada", json={"role": "viewer"})

    assert await status(world, pair.access, "/api/users") == 403
    assert await status(world, pair.access, "/api/tasks") == 200


async def test_given_an_own_session_when_it_is_revoked_then_its_tokens_end_and_others_go_on(world: World) -> None:
    user = await add_user(world, "ada")
    one, other = await session_of(world, user), await session_of(world, user)
    assert await status(world, one.access) == 200

    assert (await world.post("/api/auth/revoke", token=one.access))["revoked"] is True

    assert (await status(world, one.access), await status(world, other.access)) == (401, 200)
    assert (await log_in(world, refreshToken=one.refresh)).status_code == 401


async def test_given_somebody_elses_session_when_it_is_revoked_then_only_an_admin_may(world: World) -> None:
    people = await sessions_of(world)
    victim = people.operator.session
    name = {"user": victim.owner.removeprefix("user:")}
    by_id = {"sessionId": victim.id}

    refused = [
        (await world.call("POST", "/api/auth/revoke", token=people.viewer.access, json=body)).status_code
        for body in (by_id, name, {"all": True})
    ]

    assert refused == [404, 403, 403]
    assert await status(world, people.operator.access) == 200
    assert (await world.post("/api/auth/revoke", by_id, token=people.admin.access))["revoked"] is True
    assert await status(world, people.operator.access) == 401
    assert (await world.post("/api/auth/revoke", name))["revoked"] is False
    assert (await world.call("POST", "/api/auth/revoke")).status_code == 422  # an API key is no session


async def test_given_many_sessions_when_all_are_revoked_then_none_counts_and_api_keys_do(world: World) -> None:
    people = await sessions_of(world)
    pairs = (people.admin, people.operator, people.viewer, people.key)
    assert [await status(world, pair.access) for pair in pairs] == [200] * 4

    await world.post("/api/auth/revoke", {"all": True}, token=people.admin.access)

    assert [await status(world, pair.access) for pair in pairs] == [401] * 4
    assert (await world.get("/api/auth/sessions"))["sessions"] == []
    again = await tokens_for(world, apiKey=API_KEY)
    assert await status(world, again["accessToken"]) == 200


async def test_given_a_session_of_an_api_key_when_another_key_replaces_it_then_the_session_ends(
    world: World,
) -> None:
    pair = await tokens_for(world, apiKey=API_KEY)
    assert await status(world, pair["accessToken"]) == 200
    assert (await log_in(world, apiKey="wrong")).status_code == 401

    await world.store.apply(PutToken(token=tokens.api_key_token("another-key", now=world.store.now())))

    assert await status(world, pair["accessToken"]) == 401
    assert (await log_in(world, refreshToken=pair["refreshToken"])).status_code == 401


async def test_given_another_signing_key_when_it_signs_then_old_tokens_count_for_the_overlap(world: World) -> None:
    pair = await session_of(world, await add_user(world, "ada"))

    key_id = (await world.post("/api/auth/keys/rotate"))["keyId"]

    assert (await signing_key(world)).id == key_id
    assert await status(world, pair.access) == 200
    following = await tokens_for(world, refreshToken=pair.refresh)
    world.clock.advance(sessions.IDLE_SECONDS - 60)
    following = await tokens_for(world, refreshToken=following["refreshToken"])
    assert await status(world, following["accessToken"]) == 200


async def test_given_a_signing_key_that_somebody_has_when_it_is_replaced_at_once_then_nothing_it_signed_counts(
    world: World,
) -> None:
    user = await add_user(world, "ada")
    pair = await session_of(world, user)
    assert await status(world, pair.access) == 200

    await world.post("/api/auth/keys/rotate", {"atOnce": True})

    assert await status(world, pair.access) == 401
    assert (await log_in(world, refreshToken=pair.refresh)).status_code == 401
    assert await status(world, (await pair_of(world, pair.session, user.role)).access) == 200


async def test_given_many_rotations_when_they_follow_fast_then_few_keys_are_kept_and_the_newest_signs(
    world: World,
) -> None:
    ids = [(await world.post("/api/auth/keys/rotate"))["keyId"] for _ in range(30)]
    pair = await session_of(world, await add_user(world, "ada"))

    assert (await signing_key(world)).id == ids[-1]
    assert await status(world, pair.access) == 200


async def test_given_a_cookie_that_is_asked_for_when_one_logs_in_then_no_script_can_read_the_refresh_token(
    world: World,
) -> None:
    await ada(world)

    answer = await log_in(world, username="ada", password=PASSWORD, cookie=True)

    assert answer.json()["refreshToken"] is None
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/api/auth/token"))
    value = cookie.partition("=")[2].partition(";")[0]
    world.client.cookies.clear()
    following = await world.call(
        "POST", TOKEN, token=None, json={"cookie": True}, headers={"cookie": f"agent_swarm_refresh={value}"}
    )
    assert following.status_code == 200
    assert following.json()["refreshToken"] is None
    world.client.cookies.clear()
    out = await world.call("POST", "/api/auth/revoke", token=following.json()["accessToken"], json={})
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert (await status(world, following.json()["accessToken"])) == 401


async def test_given_sessions_when_they_are_listed_then_one_sees_ones_own_and_an_admin_all(world: World) -> None:
    people = await sessions_of(world)

    own = (await world.get("/api/auth/sessions", token=people.viewer.access))["sessions"]
    everybodys = (await world.get("/api/auth/sessions", token=people.admin.access))["sessions"]

    assert [(one["id"], one["isCurrent"]) for one in own] == [(people.viewer.session.id, True)]
    assert len(everybodys) == 4
    other = f"/api/auth/sessions?user={people.admin.session.user_name}"
    assert (await world.call("GET", other, token=people.viewer.access)).status_code == 403
    assert len((await world.get(other))["sessions"]) == 1


async def test_given_an_owner_with_too_many_sessions_when_one_more_begins_then_the_stalest_ends(
    world: World,
) -> None:
    user = await add_user(world, "ada")
    first = await session_of(world, user)
    for _ in range(MOST_PER_OWNER):
        world.clock.advance(1)
        await world.store.apply(sessions.start_for_user(user, address="", now=world.store.now()))

    assert await status(world, first.access) == 401
    kept = await world.store.read(lambda q: q.scan(SESSIONS, owner_of("ada"), limit=500))
    assert len(kept) == MOST_PER_OWNER


async def test_given_a_password_that_is_checked_when_the_user_changes_meanwhile_then_no_session_begins(
    world: World,
) -> None:
    user = await add_user(world, "ada")
    starting = sessions.start_for_user(user, address="", now=world.store.now())
    await world.call("PATCH", "/api/users/ada", json={"password": "another horse battery"})

    with pytest.raises(Exception, match="changed meanwhile"):
        await world.store.apply(starting)


async def test_given_a_flood_of_refused_requests_when_a_minute_is_over_then_there_is_one_event_per_subject(
    world: World,
) -> None:
    people = await sessions_of(world)
    before = (await world.get("/api/events?limit=200"))["nextAfter"]
    for _ in range(50):
        await world.call("GET", "/api/tasks", token="asw_operator_00_garbage")
        await world.call("GET", "/api/users", token=people.viewer.access)
    assert (await world.get(f"/api/events?after={before}"))["events"] == []

    await world.app.context.door.denials.run_once()

    told = (await world.get(f"/api/events?after={before}"))["events"]
    assert [(one["type"], one["subject"]["id"], one["data"]["requests"]) for one in told] == [
        ("auth.denied", "127.0.0.1", 50),
        ("auth.denied", people.viewer.session.owner, 50),
    ]
    await world.app.context.door.denials.run_once()
    assert len((await world.get(f"/api/events?after={before}"))["events"]) == 2


async def test_given_denials_of_many_addresses_when_they_are_told_then_their_number_is_bounded(world: World) -> None:
    denials = world.app.context.door.denials
    for number in range(1_000):
        denials.count(f"198.51.100.{number}", "unauthenticated")
    before = (await world.get("/api/events?limit=200"))["nextAfter"]

    await denials.run_once()

    told = (await world.get(f"/api/events?limit=200&after={before}"))["events"]
    assert len(told) == 101
    assert sum(one["data"]["requests"] for one in told) == 1_000


async def test_given_a_password_typed_as_the_name_when_it_fails_then_no_event_and_no_row_has_it(world: World) -> None:
    await log_in(world, username="hunter2hunter2", password="x" * 12)
    await world.app.context.door.denials.run_once()

    assert "hunter2" not in (await world.call("GET", "/api/events?limit=200")).text


async def test_given_a_new_user_when_everything_is_looked_at_then_neither_password_nor_hash_shows(
    world: World,
) -> None:
    await ada(world)
    shown = [await world.call("GET", path) for path in ("/api/users", "/api/users/ada", "/api/events?limit=200")]

    assert not any(secret in answer.text for answer in shown for secret in (PASSWORD, "argon2"))


def test_given_a_password_when_it_is_hashed_then_it_is_argon2id_with_a_salt_and_found_right() -> None:
    one, other = passwords.hash_password(PASSWORD), passwords.hash_password(PASSWORD)

    assert one != other
    assert one.startswith("$argon2id$v=19$")
    assert passwords.is_right(PASSWORD, one)
    assert not passwords.is_right(PASSWORD + " ", one)
    assert not passwords.is_right(PASSWORD, None)
    assert not passwords.is_right(PASSWORD, "$argon2id$broken")
    assert passwords.is_right(
        "caf\u00e9 horse battery", passwords.hash_password(passwords.normalized("cafe\u0301 horse battery"))
    )


@pytest.mark.parametrize("password", ["short", "x" * 300, "aaaaaaaaaaaaaa", "ada-lovelace1", "é" * 200])
async def test_given_a_weak_password_when_a_user_gets_it_then_it_is_refused(world: World, password: str) -> None:
    body = {"name": "ada-lovelace", "role": "viewer", "password": password}

    answer = await world.call("POST", "/api/users", json=body)

    assert answer.status_code == 422
    assert password not in answer.text


async def test_given_users_when_they_are_looked_after_then_each_change_is_an_event_of_what_changed(
    world: World,
) -> None:
    await ada(world)
    assert (
        await world.call("POST", "/api/users", json={"name": "ADA", "role": "admin", "password": PASSWORD})
    ).status_code == 409
    assert (await world.call("PATCH", "/api/users/nobody", json={"role": "admin"})).status_code == 404
    assert (await world.call("PATCH", "/api/users/ada", json={"role": "viewer"})).status_code == 200  # as it was
    await world.call("PATCH", "/api/users/ada", json={"role": "admin", "disabled": True})
    removed = await world.call("DELETE", "/api/users/ada")

    assert removed.json()["isDisabled"] is True
    assert (await world.call("GET", "/api/users/ada")).status_code == 404
    told = [(one["type"], one["data"]) for one in await events(world, "user.created,user.changed,user.removed")]
    assert told == [
        ("user.created", {"role": "viewer"}),
        ("user.changed", {"role": "admin", "disabled": True}),
        ("user.removed", {}),
    ]


async def test_given_sessions_and_failures_that_are_over_when_the_house_is_kept_then_they_go(world: World) -> None:
    from agent_swarm.server.housekeeping import SessionKeeping
    from agent_swarm.store.families.login_failures import LOGIN_FAILURES

    user = await add_user(world, "ada")
    await session_of(world, user)
    await log_in(world, username="ada", password="wrong horse battery")
    world.clock.advance(8 * 86400)
    fresh = await session_of(world, user)

    await SessionKeeping(world.store).run_once()

    kept = await world.store.read(lambda q: q.scan(SESSIONS, limit=10))
    assert [one.id for one in kept] == [fresh.session.id]
    assert await world.store.read(lambda q: q.scan(LOGIN_FAILURES, limit=10)) == []


async def test_given_an_access_token_of_nobody_known_when_it_is_shown_then_it_does_not_count(world: World) -> None:
    user = await add_user(world, "ada")
    pair = await session_of(world, user)
    from dataclasses import replace

    stranger = replace(pair.session, id=new_id())
    assert await status(world, (await pair_of(world, stranger, Role.ADMIN)).access) == 401
