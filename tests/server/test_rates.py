"""Token buckets: who may call how often."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.sessions import add_user, session_of
from tests.server.world import World

from agent_swarm.domain.errors import RateLimited
from agent_swarm.domain.roles import Role
from agent_swarm.server.rates import DEFAULTS, MOST_SUBJECTS, Buckets, Rate, RateClass, RateLimits, parse_rates
from agent_swarm.services.tokens import Identity
from agent_swarm.store.records import TokenKind

VIEWER = Identity(kind=TokenKind.USER, token_id="s", scopes=frozenset(), owner="user:ada", role=Role.VIEWER)


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def test_given_a_burst_when_it_is_used_up_then_the_next_one_waits_for_its_turn() -> None:
    clock = Clock()
    buckets = Buckets(Rate(2, 3), monotonic=clock)

    assert [buckets.spend("ada") for _ in range(3)] == [0, 0, 0]
    assert buckets.spend("ada") == pytest.approx(0.5)
    assert buckets.spend("bob") == 0
    clock.at += 0.5
    assert (buckets.spend("ada"), buckets.spend("ada") > 0) == (0, True)


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200), st.floats(0.1, 50), st.integers(1, 20))
def test_given_any_arrivals_when_they_are_let_through_then_never_more_than_burst_and_rate_allow(
    pauses: list[float], per_second: float, burst: int
) -> None:
    clock = Clock()
    buckets, let_through = Buckets(Rate(per_second, burst), monotonic=clock), 0
    for pause in pauses:
        clock.at += pause
        let_through += buckets.spend("ada") == 0
        assert let_through <= burst + per_second * (clock.at - 1_000) + 1e-3


def test_given_more_subjects_than_are_kept_when_they_come_then_memory_stays_bounded() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1, 1), monotonic=clock)
    for number in range(3 * MOST_SUBJECTS):
        buckets.spend(str(number))

    assert len(buckets._full_at) <= MOST_SUBJECTS


@pytest.mark.parametrize(
    "text", ["read", "read=", "read=1", "read=1/d", "read=0/s", "walk=1/s", "read=1/s:0", "read=-1/s"]
)
def test_given_rates_that_make_no_sense_when_they_are_read_then_they_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rates(text)


def test_given_rates_when_they_are_read_then_others_keep_their_defaults() -> None:
    rates = parse_rates("read=120/m:7, login=1/h")

    assert rates[RateClass.READ] == Rate(2, 7)
    assert rates[RateClass.LOGIN] == Rate(1 / 3600, 1)
    assert rates[RateClass.WRITE] == DEFAULTS[RateClass.WRITE]
    assert parse_rates("off") == {}


def test_given_a_worker_when_it_calls_without_end_then_it_is_never_refused() -> None:
    limits = RateLimits({name: Rate(0.001, 1) for name in RateClass})
    worker = Identity(kind=TokenKind.AGENT, token_id="w", scopes=frozenset(), agent_id="a")
    for _ in range(100):
        limits.check(worker, RateClass.WRITE)

    limits.check(VIEWER, RateClass.READ)
    with pytest.raises(RateLimited):
        limits.check(VIEWER, RateClass.READ)


@pytest.mark.anyio
async def test_given_a_user_who_asks_too_often_when_the_burst_is_over_then_it_is_429_with_retry_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    limits: Any = RateLimits({RateClass.READ: Rate(0.5, 2)}, monotonic=clock)
    monkeypatch.setattr(world.app.context.door.rates, "_buckets", limits._buckets)
    ada = await session_of(world, await add_user(world, "ada"))
    bob = await session_of(world, await add_user(world, "bob"))

    answers = [await world.call("GET", "/api/agents", token=ada.access) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"
    assert answers[2].json()["error"]["code"] == "rateLimited"
    forged = {"x-forwarded-for": "203.0.113.9"}
    assert (await world.call("GET", "/api/agents", token=ada.access, headers=forged)).status_code == 429
    other_session = await session_of(world, await add_user(world, "eve"))
    assert (await world.call("GET", "/api/agents", token=other_session.access)).status_code == 200
    assert (await world.call("GET", "/api/agents", token=bob.access)).status_code == 200
    assert (await world.call("GET", "/api/agents")).status_code == 200  # an API key has a rate of its own
    clock.at += 2
    assert (await world.call("GET", "/api/agents", token=ada.access)).status_code == 200
