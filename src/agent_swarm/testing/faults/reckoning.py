"""What a schedule left behind, held against what was promised: nothing lost, nothing doubled."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent_swarm.domain.tasks import TERMINAL, AttemptOutcome, TaskStatus
from agent_swarm.harness.base import EventKind
from agent_swarm.store.base import Queries
from agent_swarm.store.records import AttemptRecord, TaskFilter, TaskRecord
from agent_swarm.testing.faults.puppet import TOKENS, Part, result_of, told
from agent_swarm.testing.invariants import audit

_EVERYTHING = 100_000


def reckon(queries: Queries, *, transcripts: Path, promised: Sequence[str]) -> list[str]:
    """Everything that is wrong; `promised` are the tasks of which the server has said that they are filed."""
    found = [str(violation) for violation in audit(queries)]
    tasks = {task.spec.id: task for task in queries.list_tasks(TaskFilter(), after=None, limit=_EVERYTHING)}
    found += [f"task {task_id} was acknowledged and is gone" for task_id in promised if task_id not in tasks]
    found += [f"task {task_id} was filed twice" for task_id in tasks if task_id not in promised]
    completions = _completions(queries)
    for task_id, task in tasks.items():
        found += _of_task(task, completions.get(task_id, []), queries.attempts(task_id), transcripts)
    return found


def _completions(queries: Queries) -> dict[str, list[int]]:
    """By task, the attempts that events say have completed it."""
    completed: dict[str, list[int]] = {}
    for event in queries.events_after(0, limit=_EVERYTHING):
        if event.type == "task.completed" and event.task_id is not None:
            completed.setdefault(event.task_id, []).append(event.attempt or 0)
    return completed


def _of_task(
    task: TaskRecord, completions: list[int], attempts: Sequence[AttemptRecord], transcripts: Path
) -> Iterator[str]:
    name, status = f"task {task.spec.id}", task.state.status
    if status not in TERMINAL:
        yield f"{name} has not ended, it is {status.value}"
    if len(completions) != (status is TaskStatus.COMPLETED):
        yield f"{name} is {status.value} and completed {len(completions)} times"
    part = Part.of(task.spec.prompt)
    for attempt in attempts:
        about = f"{name}, attempt {attempt.number}"
        lines = _lines(transcripts / task.spec.id / f"{attempt.number}.jsonl")
        is_accepted = completions == [attempt.number]
        if is_accepted and attempt.report.text.split("\n")[-1] != result_of(task.spec.id, attempt.number):
            yield f"{about} was accepted with the result {attempt.report.text!r}"
        if is_accepted != (attempt.outcome is AttemptOutcome.COMPLETED):
            yield f"{about} is {attempt.outcome}, the events name {completions}"
        judge = _of_printed if task.spec.harness == "shell" else _of_transcript
        yield from judge(about, part, attempt, lines, is_whole=is_accepted)


def _of_transcript(
    about: str, part: Part, attempt: AttemptRecord, lines: list[Any], *, is_whole: bool
) -> Iterator[str]:
    """What an agent said arrived in its order, without a gap, once; all of it where its result was accepted."""
    said = [(line["kind"], line["data"]) for line in lines]
    story = told(part.story(attempt.task_id, attempt.number))
    if is_whole and said != story:
        yield f"{about} has {len(said)} lines of {len(story)}, or others"
    elif said != story[: len(said)]:
        yield f"{about} says what its agent did not: {said}"
    spent = sum(TOKENS for kind, _ in said if kind == EventKind.USAGE)
    if attempt.input_tokens not in (spent, spent + (0 if is_whole else TOKENS)):
        yield f"{about} has {attempt.input_tokens} tokens booked, {spent} were told of"


def _of_printed(about: str, part: Part, attempt: AttemptRecord, lines: list[Any], *, is_whole: bool) -> Iterator[str]:
    """The same for what a process printed. How it is cut into lines is the worker's business."""
    printed = "".join(line["data"]["text"] for line in lines if line["kind"] == EventKind.LOG)
    expected = part.said_by_script(attempt.task_id, attempt.number)
    if printed != expected[: len(printed)] or (is_whole and printed != expected):
        yield f"{about} printed {printed!r}, expected {expected!r}"


def _lines(path: Path) -> list[Any]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
