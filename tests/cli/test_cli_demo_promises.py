"""The demo's checks find what is wrong: each is shown a record in which its promise is broken."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.cli.demonstration import plan, promises
from agent_swarm.cli.demonstration.record import PLAN, Record
from agent_swarm.cli.demonstration.repository import BRANCH, Repository

Event = tuple[str, str]

HISTORY: Sequence[Event] = (
    (PLAN, "task.claimed"),
    (plan.DESIGN, "task.claimed"),
    (plan.DESIGN, "task.completed"),
    (plan.SLUGIFY, "task.claimed"),
    (plan.COUNT, "task.claimed"),
    (plan.SLUGIFY, "task.completed"),
    (plan.README, "task.claimed"),
    (plan.COUNT, "task.completed"),
    (plan.TESTS, "task.claimed"),
    (plan.README, "task.claimed"),
    (plan.README, "task.completed"),
    (plan.TESTS, "task.completed"),
    (plan.MERGE, "task.claimed"),
    (plan.MERGE, "task.completed"),
    (PLAN, "task.resumed"),
    (PLAN, "task.completed"),
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / plan.PROJECT)


@pytest.fixture
def first_commit(repository: Repository) -> str:
    return repository.head("HEAD")


@pytest.fixture
def record(repository: Repository, first_commit: str) -> Record:
    """The record of a swarm that did well, whose tasks added their commits one after the other."""
    repository.git("switch", "--quiet", "--create", "work")
    commits = {ref: _commit(repository, ref) for ref in plan.WAITS_FOR}
    repository.git("branch", "final")
    repository.git("switch", "--quiet", BRANCH)
    return _record(HISTORY, commits)


def _commit(repository: Repository, ref: str) -> str:
    written = {
        plan.SLUGIFY: ("textkit/slugs.py", _written(plan.SLUGIFY)),
        plan.COUNT: ("textkit/words.py", _written(plan.COUNT)),
    }
    name, content = written.get(ref, (f"{ref}.txt", ref))
    (repository.path / name).write_text(content)
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", ref)
    return repository.head("HEAD")


def _written(ref: str) -> str:
    """The file that the script of an implementation writes."""
    return plan.SCRIPTS[ref].split(".py <<END\n", 1)[1].split("\nEND\n", 1)[0] + "\n"


def _record(history: Sequence[Event], commits: dict[str, str]) -> Record:
    tasks = {ref: _task(ref, commits.get(ref)) for ref in plan.WAITS_FOR}
    tasks = {PLAN: _task(PLAN, commits.get(plan.MERGE)), **tasks}
    attempts = {ref: [_attempt("completed", "ada" if ref != plan.COUNT else "bob")] for ref in tasks}
    attempts[plan.FAILS_ONCE].insert(0, _attempt("failed", "ada"))
    attempts[PLAN].insert(0, _attempt("paused", "lead"))
    events = [
        {"seq": seq, "type": event_type, "taskId": tasks[ref]["id"]} for seq, (ref, event_type) in enumerate(history, 1)
    ]
    messages: list[dict[str, Any]] = [
        {"id": "1", "sender": "agent:ada", "replyTo": None},
        {"id": "2", "sender": "agent:bob", "replyTo": "1"},
    ]
    return Record(tasks=tasks, attempts=attempts, events=events, agents={}, messages=messages)


def _task(ref: str, commit: str | None) -> dict[str, Any]:
    result = {"branch": "final", "commit": commit} if commit else {}
    return {
        "id": f"id-of-{ref}",
        "title": plan.TITLES.get(ref, ref),
        "status": "completed",
        "harness": "script",
        "result": result,
    }


def _attempt(outcome: str, agent: str) -> dict[str, str]:
    return {"outcome": outcome, "agentId": agent}


def broken(record: Record, repository: Repository, first_commit: str) -> dict[str, str]:
    checked = promises.check(record, repository, first_commit=first_commit)
    return {promise.sentence: promise.broken_by for promise in checked if promise.broken_by}


def without(history: Sequence[Event], *gone: Event) -> list[Event]:
    return [event for event in history if event not in gone]


def test_given_a_swarm_that_did_well_then_every_promise_holds(
    record: Record, repository: Repository, first_commit: str
) -> None:
    assert broken(record, repository, first_commit) == {}


@pytest.mark.parametrize(
    ("history", "sentence"),
    [
        (
            [(plan.TESTS, "task.claimed"), *without(HISTORY, (plan.TESTS, "task.claimed"))],
            "no task began before those it waits for had completed",
        ),
        (without(HISTORY, (plan.COUNT, "task.completed")), "each task has exactly one completion"),
        ([*HISTORY, (plan.MERGE, "task.completed")], "each task has exactly one completion"),
        (
            [
                *without(HISTORY, (plan.COUNT, "task.claimed"))[:6],
                (plan.COUNT, "task.claimed"),
                *without(HISTORY, (plan.COUNT, "task.claimed"))[6:],
            ],
            "the two implementations ran at the same time",
        ),
        (without(HISTORY, (PLAN, "task.resumed")), "the lead waited without a slot, and went on once"),
        (
            [(PLAN, "task.resumed"), *without(HISTORY, (PLAN, "task.resumed"))],
            "the lead waited without a slot, and went on once",
        ),
    ],
)
def test_given_a_history_that_went_wrong_then_its_promise_is_broken(
    history: Sequence[Event], sentence: str, record: Record, repository: Repository, first_commit: str
) -> None:
    commits = {ref: task["result"]["commit"] for ref, task in record.tasks.items() if task["result"]}
    assert sentence in broken(_record(history, commits), repository, first_commit)


def _two_failures(record: Record) -> Record:
    attempts = {**record.attempts, plan.README: [_attempt("failed", "ada")] * 2 + [_attempt("completed", "ada")]}
    return replace(record, attempts=attempts)


def _one_agent(record: Record) -> Record:
    return replace(record, attempts={**record.attempts, plan.COUNT: [_attempt("completed", "ada")]})


def _one_failed(record: Record) -> Record:
    return replace(record, tasks={**record.tasks, plan.TESTS: {**record.tasks[plan.TESTS], "status": "failed"}})


def _one_missing(record: Record) -> Record:
    return replace(record, tasks={ref: task for ref, task in record.tasks.items() if ref != plan.MERGE})


def _foreign_commit(record: Record) -> Record:
    merged = {**record.tasks[PLAN], "result": {"branch": BRANCH, "commit": "x"}}
    return replace(record, tasks={**record.tasks, PLAN: merged})


def _nothing_said(record: Record) -> Record:
    return replace(record, messages=record.messages[:1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_two_failures, "the task that failed was tried again, once, and no other was"),
        (_one_agent, "the two implementations ran at the same time"),
        (_one_failed, "the lead filed 6 tasks, and each of them completed"),
        (_nothing_said, "the two who wrote the functions talked to each other"),
        (_one_missing, "the final branch holds the work of every task"),
        (_foreign_commit, "the unit tests failed at first and pass on the final tree"),
    ],
)
def test_given_a_result_that_went_wrong_then_its_promise_is_broken(
    change: Callable[[Record], Record], sentence: str, record: Record, repository: Repository, first_commit: str
) -> None:
    assert sentence in broken(change(record), repository, first_commit)


def test_given_work_on_the_main_branch_then_that_promise_is_broken(
    record: Record, repository: Repository, first_commit: str
) -> None:
    _commit(repository, "stray")
    assert "the branch main is as it was" in broken(record, repository, first_commit)


def test_given_processes_that_outlived_the_swarm_then_they_are_named() -> None:
    assert promises.nothing_left({7, 5}).broken_by == "still running after the end: 5, 7"
    assert promises.nothing_left(set()).broken_by == ""
