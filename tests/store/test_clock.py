"""The store's clock under wall clocks that are set, and over restarts."""

from hypothesis import given
from hypothesis import strategies as st

from agent_swarm.domain.time import SECOND
from agent_swarm.store.clock import ServerClock


class Clocks:
    """A wall clock and a monotonic clock that move when told to."""

    def __init__(self) -> None:
        self.wall = 1_000 * SECOND
        self.monotonic = 0
        self.server = ServerClock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def pass_time(self, micros: int) -> None:
        self.wall += micros
        self.monotonic += micros


def test_given_a_wall_clock_set_back_when_time_passes_then_the_clock_neither_goes_back_nor_stands_still() -> None:
    clocks = Clocks()
    first = clocks.server.now()
    clocks.wall -= 3600 * SECOND
    clocks.pass_time(10 * SECOND)
    assert clocks.server.now() == first + 10 * SECOND


def test_given_a_wall_clock_that_leaps_ahead_when_it_is_read_then_the_leap_is_counted() -> None:
    clocks = Clocks()
    clocks.server.now()
    clocks.pass_time(60 * SECOND)
    clocks.server.now()
    assert clocks.server.jumps == 0
    clocks.wall += 60 * SECOND
    clocks.server.now()
    assert clocks.server.jumps == 1


def test_given_a_restart_when_the_wall_clock_is_behind_the_record_then_the_clock_goes_on_from_the_record() -> None:
    clocks = Clocks()
    clocks.server.start_from(2_000 * SECOND)
    assert clocks.server.now() >= 2_000 * SECOND


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(-(10**9), 10**9)), max_size=30))
def test_given_any_settings_of_the_wall_clock_then_the_clock_never_goes_back_nor_slower_than_time(
    moves: list[tuple[int, int]],
) -> None:
    clocks = Clocks()
    last = clocks.server.now()
    for passed, set_by in moves:
        clocks.pass_time(passed)
        clocks.wall = max(0, clocks.wall + set_by)
        now = clocks.server.now()
        assert now >= last + passed
        last = now
