"""Which of several credentials is used: all the same, none that rests, and who comes back has nothing to catch up."""

import pytest

from agent_swarm.domain import credentials
from agent_swarm.domain.credentials import Standing

NOW = 1_000.0
SUBSCRIPTIONS, KEYS = ("a", "b", "c"), ("k",)
TIERS = (SUBSCRIPTIONS, KEYS)


def taken(known: dict[str, Standing], times: int, *, now: float = NOW) -> list[str]:
    """Which are used one after another; `known` is kept up."""
    order: list[str] = []
    for number in range(times):
        one = credentials.chosen(TIERS, known, now=now + number)
        assert one is not None
        known.update(credentials.used(TIERS, known, one, now=now + number))
        order.append(one)
    return order


def test_given_several_when_they_are_used_then_they_take_turns_and_other_tiers_wait() -> None:
    assert taken({}, 7) == ["a", "b", "c", "a", "b", "c", "a"]


def test_given_one_that_rests_when_work_comes_then_the_others_do_it_and_then_all_share_again() -> None:
    known: dict[str, Standing] = {}
    taken(known, 3)
    known["a"] = credentials.refused(known["a"], "rateLimit", retry_at=NOW + 500, now=NOW)
    assert taken(known, 100, now=NOW + 10) == ["b", "c"] * 50
    assert sorted(taken(known, 6, now=NOW + 500)) == ["a", "a", "b", "b", "c", "c"], "nothing to catch up"


def test_given_a_new_one_when_it_comes_to_old_ones_then_it_gets_its_share_and_no_more() -> None:
    known = {"b": Standing(uses=40), "c": Standing(uses=40)}
    assert taken(known, 1) == ["a"]
    assert sorted(taken(known, 6, now=NOW + 1)) == ["a", "a", "b", "b", "c", "c"]


def test_given_a_tier_that_rests_when_work_comes_then_the_next_tier_does_it_until_nobody_is_left() -> None:
    known = {one: Standing(rests_until=NOW + 60) for one in SUBSCRIPTIONS}
    assert taken(known, 2) == ["k", "k"]
    known["k"] = Standing(rests_until=NOW + 30)
    assert credentials.chosen(TIERS, known, now=NOW) is None
    assert credentials.awake_at(TIERS, known, now=NOW) == NOW + 30
    assert credentials.awake_at(TIERS, known, now=NOW + 60) is None


def test_given_one_that_its_provider_did_not_know_when_work_comes_then_it_is_used_last_until_it_is_accepted() -> None:
    known = {"a": credentials.unknown(Standing(), "authentication")}
    assert taken(known, 2) == ["b", "c"]
    known.update({one: Standing(rests_until=NOW + 60) for one in ("b", "c", "k")})
    assert taken(known, 1) == ["a"]
    assert not credentials.accepted(known["a"]).is_doubtful


@pytest.mark.parametrize(("retry_at", "rest"), [(NOW + 60, 60.0), (NOW - 5, 1.0), (None, 15.0)])
def test_given_a_limit_when_it_is_reached_then_it_rests_until_its_end_or_for_a_while(
    retry_at: float | None, rest: float
) -> None:
    assert credentials.refused(Standing(), "rateLimit", retry_at=retry_at, now=NOW).rests_until == NOW + rest


def test_given_nobody_says_how_long_when_it_is_refused_in_a_row_then_rests_grow_until_a_good_run() -> None:
    standing = Standing()
    rests: list[float] = []
    for _ in range(3):
        standing = credentials.refused(standing, "rateLimit", retry_at=None, now=standing.rests_until)
        rests.append(standing.rests_until - sum(rests))
    assert rests == [15.0, 30.0, 60.0]
    assert credentials.accepted(standing).refusals == 0


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("OPENAI_API_KEY", "one, two,", ("one", "two")),
        ("ANOTHER", "one, two", ("one, two",)),
        ("ANOTHER", "", ()),
    ],
)
def test_given_a_variable_when_it_is_read_then_only_those_of_credentials_hold_several(
    variable: str, value: str, found: tuple[str, ...]
) -> None:
    assert credentials.values_in(variable, value) == found


def test_given_a_login_when_its_secrets_are_asked_for_then_its_token_alone_is_one() -> None:
    assert credentials.secrets_in("CODEX_OAUTH", "acc:tok,b:t") == ("acc:tok,b:t", "acc:tok", "b:t", "tok", "t")


@pytest.mark.parametrize("line", ["\n", "\\n"])
def test_given_headers_when_their_secrets_are_asked_for_then_each_value_is_one(line: str) -> None:
    value = f"X-Gateway-Key: abc: 123{line}X-Tenant: mai"
    assert credentials.secrets_in("COPILOT_PROVIDER_HEADERS", value) == (value, "abc: 123", "mai")


def test_given_a_rest_when_a_run_that_began_before_comes_to_a_good_end_then_the_rest_goes_on() -> None:
    resting = credentials.refused(Standing(), "rateLimit", retry_at=NOW + 60, now=NOW)
    assert credentials.accepted(resting).rests(NOW + 59)
    assert credentials.refused(resting, "rateLimit", retry_at=NOW + 5, now=NOW).rests_until == NOW + 60
