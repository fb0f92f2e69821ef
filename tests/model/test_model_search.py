"""The rules of a task's life hold in every history of a small swarm; and the search finds what breaks them."""

from dataclasses import replace

import pytest

from agent_swarm.testing.model_search.ending import Endings
from agent_swarm.testing.model_search.search import Search, Searched
from agent_swarm.testing.model_search.server import ServerModel
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


def test_given_two_workers_and_one_slow_message_when_all_histories_are_searched_then_every_rule_holds() -> None:
    found = searched(System(CALM))
    assert (found.invariant, found.is_complete) == ("", True), str(found)


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
    (defects.AnswersBeforeItCommits, replace(CALM, server_crashes=1), ACKNOWLEDGED),
]
WORKER_DEFECTS: list[tuple[type[WorkerModel], str]] = [
    (defects.CountsFromTheAnswer, NO_OVERLAP),
    (defects.ActsForTheWholeLease, NO_OVERLAP),
    (defects.ActsBeforeAnAnswer, NO_OVERLAP),
]


@pytest.mark.parametrize(("defect", "bounds", "invariant"), SERVER_DEFECTS, ids=_name)
def test_given_a_server_with_a_defect_when_histories_are_searched_then_one_breaks_the_rule(
    defect: type[ServerModel], bounds: Bounds, invariant: str
) -> None:
    found = searched(System(bounds, server=defect()), limit=40_000)
    assert found.invariant == invariant, str(found)
    assert found.trace


@pytest.mark.parametrize(("defect", "invariant"), WORKER_DEFECTS, ids=_name)
def test_given_a_worker_with_a_defect_when_histories_are_searched_then_one_breaks_the_rule(
    defect: type[WorkerModel], invariant: str
) -> None:
    found = searched(System(CALM, worker=defect()), limit=40_000)
    assert found.invariant == invariant, str(found)


def test_given_a_clock_slower_than_the_margin_of_a_lease_when_histories_are_searched_then_two_may_act() -> None:
    assert searched(System(replace(CALM, rates=(TICK, SLOW - 1)))).invariant == NO_OVERLAP
