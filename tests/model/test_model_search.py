"""The rules of a task's life hold in every history of a small swarm; and the search finds what breaks them."""

import gc
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent_swarm.testing.model_search.ending import Endings
from agent_swarm.testing.model_search.search import Search, Searched
from agent_swarm.testing.model_search.server import KEPT_FOR_ONE, ServerModel
from agent_swarm.testing.model_search.system import ACKNOWLEDGED, DEAD_END, NO_OVERLAP, SLOW, TICK, Bounds, System
from agent_swarm.testing.model_search.worker import WorkerModel

from . import defects

LIMIT = 2_000_000
CALM = Bounds(ticks=2, in_flight=1, copies=0, server_crashes=0, worker_crashes=0, orders=0, failures=0)


def _name(value: object) -> str | None:
    return value.__name__ if isinstance(value, type) else ""


def searched(system: System, limit: int = LIMIT) -> Searched:
    """What a search finds: a broken rule, or a state from which a task cannot end, or nothing."""
    search = Search(system)
    found = search.run(limit=limit)
    if found.invariant:
        return found
    endings = Endings(system)
    for state in search.visited:
        if not endings.come(state):
            return search.found(state, DEAD_END)
    return found


@pytest.fixture(autouse=True)
def _without_garbage_collection() -> Iterator[None]:
    """A search makes millions of values and no cycles."""
    gc.disable()
    yield
    gc.enable()


# What may go wrong beside the loss of any answer, and how many states there are at least: a model that has lost a move
# shows. Together some 90 s of one core; SWARM_SEARCH=deep adds as much again for each of the last ones.
SCOPES: dict[str, tuple[Bounds, int]] = {
    "a message is copied": (replace(CALM, ticks=3, copies=1), 45_000),
    "two messages overtake each other": (replace(CALM, in_flight=2), 70_000),
    "three attempts": (replace(CALM, ticks=4, attempts=3), 85_000),
    "two tasks": (replace(CALM, tasks=2), 55_000),
    "a person cancels or pauses": (replace(CALM, orders=1), 70_000),
    "a worker is killed or leaves": (replace(CALM, worker_crashes=1), 150_000),
    "a server is killed, an agent fails": (replace(CALM, server_crashes=1, failures=1), 105_000),
    "an agent asks people": (replace(CALM, questions=1), 55_000),
    "the kill switch is used": (replace(CALM, kills=1), 250_000),
    "a person offers, and whoever is asked answers": (replace(CALM, offers=1), 43_000),
    "a worker and a person": (replace(CALM, ticks=1, worker_crashes=1, orders=1), 320_000),
}
DEEP: dict[str, tuple[Bounds, int]] = {
    "an agent asks people, and a person pauses or cancels": (replace(CALM, questions=1, orders=1), 155_000),
    "an agent asks people, and a worker is killed": (replace(CALM, ticks=1, questions=1, worker_crashes=1), 1),
    "an agent asks people, and the kill switch is used": (replace(CALM, ticks=1, questions=1, kills=1), 1),
    "a worker is killed, in a longer time": (replace(CALM, ticks=3, worker_crashes=1), 430_000),
    "a worker is killed, a message is copied": (replace(CALM, worker_crashes=1, copies=1), 410_000),
    "both sides are killed": (replace(CALM, worker_crashes=1, server_crashes=1), 460_000),
    "a server is killed, an agent fails, a message is copied": (
        replace(CALM, server_crashes=1, failures=1, copies=1),
        300_000,
    ),
    "two tasks and a killed worker": (replace(CALM, ticks=1, tasks=2, worker_crashes=1), 180_000),
}
if os.environ.get("SWARM_SEARCH") == "deep":
    SCOPES |= DEEP


def test_given_two_workers_and_one_message_under_way_when_all_histories_are_searched_then_every_rule_holds() -> None:
    """10,000 states."""
    found = searched(System(CALM))
    assert (found.invariant, found.is_complete) == ("", True), str(found)


@pytest.mark.slow
@pytest.mark.parametrize(("bounds", "least"), SCOPES.values(), ids=SCOPES.keys())
def test_given_what_may_go_wrong_when_all_histories_are_searched_then_every_rule_holds(
    bounds: Bounds, least: int
) -> None:
    found = searched(System(bounds))
    print(found)  # noqa: T201 - how much was searched is part of the result
    assert (found.invariant, found.is_complete) == ("", True), str(found)
    assert found.states >= least


STOPS = replace(CALM, kills=1)
ASKS = replace(CALM, questions=1)
OFFERS = replace(CALM, offers=1)
KILLS, ORDERS = replace(CALM, worker_crashes=1), replace(CALM, orders=1)
SERVER_DEFECTS: list[tuple[type[ServerModel], Bounds, str]] = [
    (defects.FenceIsNotChecked, CALM, "an accepted write carried the current fence"),
    (defects.LapseKeepsTheFence, CALM, "a lease that is taken away moves the fence"),
    (defects.CancelKeepsTheFence, ORDERS, "a lease that is taken away moves the fence"),
    (defects.ReleaseResetsTheFence, KILLS, "the fence only grows"),
    (defects.RegistrationReopensWhatHasEnded, replace(KILLS, orders=1), "terminal states stay terminal"),
    (defects.PauseForgetsWhoResumes, KILLS, DEAD_END),
    (defects.LeasesAreShorterThanTold, CALM, NO_OVERLAP),
    (defects.ClaimTakesWhatIsHeld, CALM, "at most one unexpired lease per task"),
    (defects.CompletedTakesAnotherResult, CALM, "at most one accepted result"),
    (defects.CancelledTakesAResult, ORDERS, "after cancelled no success"),
    (defects.KillKeepsTheFence, STOPS, "a lease that is taken away moves the fence"),
    (defects.KillForgetsTheLease, STOPS, NO_OVERLAP),
    (defects.KillLetsThemReturn, STOPS, "what was killed waits for a person"),
    (defects.ClaimsWhileKilled, STOPS, "nothing runs while the kill switch is on"),
    (defects.PausesForWhatIsAnswered, ASKS, DEAD_END),
    (defects.AnswerLeavesItPaused, ASKS, "what waits for an answer has asked for one"),
    (defects.TakesTheLastAnswer, ASKS, "the first answer stands"),
    (defects.AcceptedGoesToAnybody, OFFERS, KEPT_FOR_ONE),
    (defects.OffersNeverRunOut, OFFERS, DEAD_END),
    (defects.AnswersBeforeItCommits, replace(CALM, server_crashes=1), ACKNOWLEDGED),
]
WORKER_DEFECTS: list[tuple[type[WorkerModel], str]] = [
    (defects.CountsFromTheAnswer, NO_OVERLAP),
    (defects.ConfirmsWhatStillRuns, NO_OVERLAP),
    (defects.ActsForTheWholeLease, NO_OVERLAP),
    (defects.ActsBeforeAnAnswer, NO_OVERLAP),
]


@pytest.mark.parametrize(("defect", "bounds", "invariant"), SERVER_DEFECTS, ids=_name)
def test_given_a_server_with_a_defect_when_histories_are_searched_then_one_breaks_the_rule(
    defect: type[ServerModel], bounds: Bounds, invariant: str
) -> None:
    found = searched(System(bounds, server=defect()), limit=20_000)
    assert found.invariant == invariant, str(found)
    assert found.trace


@pytest.mark.parametrize(("defect", "invariant"), WORKER_DEFECTS, ids=_name)
def test_given_a_worker_with_a_defect_when_histories_are_searched_then_one_breaks_the_rule(
    defect: type[WorkerModel], invariant: str
) -> None:
    found = searched(System(STOPS, worker=defect()), limit=20_000)
    assert found.invariant == invariant, str(found)


def test_given_a_clock_slower_than_the_margin_of_a_lease_when_histories_are_searched_then_two_may_act() -> None:
    assert searched(System(replace(CALM, rates=(TICK, SLOW - 1)))).invariant == NO_OVERLAP
