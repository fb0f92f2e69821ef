"""A worker never believes in a lease longer than the server does."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_swarm.protocol.pool import LeaseRef
from agent_swarm.worker.leases import Abandon, Cut, LeaseBook

LEASE = LeaseRef(task_id="0197a1c2-5b7e-7c3d-9e4f-0123456789ab", fence=7)
SECONDS = 30.0
MAX_OFFLINE = 3600.0


def confirmed_at(instant: float) -> LeaseBook:
    book = LeaseBook(max_offline=MAX_OFFLINE)
    book.hold(LEASE, now=instant)
    book.renewed(LEASE, sent_at=instant, lease_seconds=SECONDS, now=instant)
    return book


def test_given_a_new_claim_when_no_renewal_was_answered_then_nothing_may_act_under_it() -> None:
    book = LeaseBook(max_offline=MAX_OFFLINE)
    book.hold(LEASE, now=0)
    assert not book.may_act(LEASE, now=0)
    assert book.due(now=100) == []
    assert book.leases == (LEASE,)


def test_given_a_renewal_when_80_percent_of_the_lease_are_over_then_effects_are_cut_once() -> None:
    book = confirmed_at(100)
    assert book.next_due() == 124
    assert (book.due(now=123.9), book.may_act(LEASE, now=123.9)) == ([], True)
    assert (book.due(now=124), book.may_act(LEASE, now=124)) == ([Cut(LEASE)], False)
    assert book.due(now=125) == []
    assert book.is_entitled(LEASE, now=129.9) and not book.is_entitled(LEASE, now=130)


def test_given_cut_effects_when_a_renewal_is_answered_then_they_are_restored_and_can_be_cut_again() -> None:
    book = confirmed_at(0)
    assert book.due(now=24) == [Cut(LEASE)]
    assert book.renewed(LEASE, sent_at=25, lease_seconds=SECONDS, now=26)
    assert book.may_act(LEASE, now=26)
    assert book.due(now=49) == [Cut(LEASE)]


def test_given_an_answer_that_took_too_long_when_it_comes_then_effects_stay_cut() -> None:
    book = confirmed_at(0)
    assert book.due(now=24) == [Cut(LEASE)]
    assert not book.renewed(LEASE, sent_at=10, lease_seconds=SECONDS, now=40)
    assert book.due(now=41) == []


def test_given_answers_out_of_order_when_the_older_one_comes_last_then_it_changes_nothing() -> None:
    book = confirmed_at(0)
    book.renewed(LEASE, sent_at=20, lease_seconds=SECONDS, now=21)
    book.renewed(LEASE, sent_at=10, lease_seconds=SECONDS, now=22)
    assert book.may_act(LEASE, now=43)


def test_given_no_word_from_the_server_when_max_offline_is_over_then_the_lease_is_abandoned_once() -> None:
    book = confirmed_at(0)
    assert book.due(now=24) == [Cut(LEASE)]
    assert book.next_due() == MAX_OFFLINE
    assert book.due(now=MAX_OFFLINE) == [Abandon(LEASE)]
    assert (book.due(now=MAX_OFFLINE + 1), book.next_due()) == ([], None)


def test_given_no_patience_at_all_when_renewals_are_answered_then_nothing_is_abandoned() -> None:
    book = LeaseBook(max_offline=0)
    book.hold(LEASE, now=0)
    assert book.due(now=1) == []
    book.renewed(LEASE, sent_at=1, lease_seconds=SECONDS, now=2)
    assert book.due(now=24) == []
    assert book.due(now=25) == [Cut(LEASE), Abandon(LEASE)]


def test_given_a_lease_that_was_let_go_when_an_answer_to_its_renewal_comes_then_it_stays_gone() -> None:
    book = confirmed_at(0)
    book.let_go(LEASE)
    assert not book.renewed(LEASE, sent_at=5, lease_seconds=SECONDS, now=6)
    assert (book.leases, book.next_due()) == ((), None)


class TwoClocks(RuleBasedStateMachine):
    """A server that leases, a worker that renews, and a network between them that delays, loses and reorders.

    The server's lease runs from when it *applies* a renewal, which is some time after the sending.
    """

    @initialize()
    def claim(self) -> None:
        self.now = 0.0
        self.server_until = SECONDS  # as of the claim, which the worker learns of later
        self.book = LeaseBook(max_offline=MAX_OFFLINE)
        self.under_way: list[float] = []  # sent, not applied
        self.answers: list[float] = []  # applied, not answered
        self.is_held = self.was_cut = False
        self.is_fenced = False

    @precondition(lambda self: not self.is_held)
    @rule()
    def the_claim_arrives(self) -> None:
        self.book.hold(LEASE, now=self.now)
        self.is_held = True

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.is_held)
    @rule()
    def send(self) -> None:
        self.under_way.append(self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def the_server_applies(self, data: st.DataObject) -> None:
        sent_at = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if self.server_until > self.now:  # else the lease has lapsed, and the answer is `stale`
            self.server_until = self.now + SECONDS
            self.answers.append(sent_at)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), is_lost=st.booleans())
    def an_answer_arrives(self, data: st.DataObject, is_lost: bool) -> None:
        sent_at = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if not is_lost:
            may_act = self.book.renewed(LEASE, sent_at=sent_at, lease_seconds=SECONDS, now=self.now)
            assert may_act == self.book.may_act(LEASE, now=self.now)
            self.was_cut = self.was_cut and not may_act

    @rule()
    def look(self) -> None:
        cuts = [action for action in self.book.due(now=self.now) if isinstance(action, Cut)]
        assert len(cuts) <= 1
        assert not (cuts and self.was_cut), "a cut is said once"
        self.was_cut = self.was_cut or bool(cuts)
        assert not self.was_cut or not self.book.may_act(LEASE, now=self.now)

    @invariant()
    def the_worker_never_believes_longer_than_the_server(self) -> None:
        if self.book.is_entitled(LEASE, now=self.now):
            assert self.server_until > self.now

    @invariant()
    def effects_end_well_before_the_lease(self) -> None:
        if self.book.may_act(LEASE, now=self.now):
            assert self.server_until - self.now > 0.2 * SECONDS - 1e-6


TestTwoClocks = pytest.mark.slow(TwoClocks.TestCase)
TestTwoClocks.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
