"""How failed log-ins lock, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain.lockout import NAME, PAIR, LockPolicy, Tally, after_failure
from agent_swarm.domain.time import SECOND

POLICIES = st.sampled_from([PAIR, NAME])


def failed(times: int, policy: LockPolicy = PAIR, *, pause: int = 0) -> Tally:
    tally, now = Tally(), 1_000 * SECOND
    for _ in range(times):
        now += tally.wait(now) + pause
        tally = after_failure(tally, policy, now=now)
    return tally


def test_given_a_few_failures_when_the_next_log_in_comes_then_it_is_heard() -> None:
    assert failed(PAIR.free - 1).locked_until <= failed(PAIR.free - 1).failed_at


def test_given_failure_after_failure_when_they_go_on_then_each_lock_is_twice_as_long_up_to_a_bound() -> None:
    tallies = [failed(PAIR.free + number) for number in range(12)]
    locks = [tally.locked_until - tally.failed_at for tally in tallies]

    assert locks[:4] == [2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND]
    assert locks[-1] == PAIR.longest


def test_given_a_locked_pair_when_it_has_rested_then_it_starts_anew() -> None:
    tally = failed(30)
    rested = max(tally.locked_until, tally.failed_at + PAIR.forgotten_after)

    assert after_failure(tally, PAIR, now=rested).failures == 1
    assert after_failure(tally, PAIR, now=rested - 1).failures == 31


@given(POLICIES, st.lists(st.integers(0, 7_200 * SECOND), max_size=80))
def test_given_any_failures_when_a_lock_is_set_then_it_ends_within_the_longest_one(
    policy: LockPolicy, pauses: list[int]
) -> None:
    tally, now = Tally(), 0
    for pause in pauses:
        now += pause
        tally = after_failure(tally, policy, now=now)
        assert tally.wait(now) <= policy.longest  # nobody is kept out for good


def test_given_one_name_tried_from_everywhere_when_it_is_locked_then_it_took_ten_times_as_many_failures() -> None:
    assert NAME.free == 10 * PAIR.free
