"""Events and errors are what their registries say, no more and no less."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from tests.promises.project import ROOT, SOURCE, sources, strings
from tests.promises.surface import error_classes

from agent_swarm.domain import commands, offers, transitions
from agent_swarm.domain.changes import Change
from agent_swarm.domain.commands import Command
from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.tasks import FailureClass, PauseReason, TaskState, TaskStatus
from agent_swarm.protocol.errors import REGISTRY
from agent_swarm.protocol.events import EVENT_TYPES
from agent_swarm.store.events import task_event
from agent_swarm.store.records import AttemptReport

EVENT = re.compile(
    r"(?:agent|approval|audit|auth|budget|channel|config|key|killSwitch|kv|memory|mergeQueue|message|project|schedule|session|signingKey|swarm|task|token|trigger|user)\.(?!name|email|toml|json|sqlite|example)[a-z][A-Za-z]+"
)
FAMILIES = (
    "archived_tasks",
    "project_copies",
    "live_work",
    "kv",
    "notes",
    "posting",
    "mailing",
    "channels",
    "users",
    "sessions",
    "signing_keys",
    "denials",
    "rests",
    "configuration",
    "data_keys",
    "triggers",
    "merge_queue",
)
EMITTERS = (
    "store/events.py",
    "domain/transitions.py",
    "domain/offers.py",
    "store/rows.py",
    "services/signed_history.py",
    "store/applying/admission.py",
    "store/applying/approvals.py",
    "store/applying/budgets.py",
    "store/applying/ledger.py",
    "store/applying/swarms.py",
    "store/applying/schedules.py",
    "store/scheduling.py",
    "store/applying/endings.py",
    "store/applying/triggers.py",
    "store/triggering.py",
    "store/merge_queues.py",
    "store/applying/merge_queues.py",
    "services/merge_queue/stepping.py",
    *(f"store/families/{name}.py" for name in FAMILIES),
)
NOW = 1_800_000_000_000_000
TASK = "0197a1c2-5b7e-7c3d-9e4f-0123456789ab"
EVERYTHING = AttemptReport(
    session="s", branch="b", commit="c", snapshot="r", text="t", failure_class="agent", failure_code="f"
)


def named_in(path: Path) -> set[str]:
    """The types of events that a module names."""
    return {text for text in strings(path) if EVENT.fullmatch(text)}


def documented_fields(event_type: str) -> set[str]:
    """What the registry says that `data` may hold."""
    told = EVENT_TYPES[event_type].partition(": {")[2].rstrip("}")
    return {field.strip().rstrip("?") for field in told.split(",") if field.strip()}


def states() -> Iterator[TaskState]:
    """Tasks of every status, held ones with a holder, with and without tries left and a wish to pause."""
    for status, used_up, wish in product(TaskStatus, (False, True), (None, PauseReason.PERSON)):
        held = status in (TaskStatus.CLAIMED, TaskStatus.RUNNING)
        yield TaskState(
            id=TASK,
            status=status,
            fence=3,
            attempt=1,
            failures=2 if used_up else 0,
            losses=9 if used_up else 0,
            ready=status is TaskStatus.PENDING,
            agent_id="agent" if held else None,
            lease_expires_at=NOW if held else None,
            pause_wanted=wish if held else None,
            pause_reason=PauseReason.SHUTDOWN if status is TaskStatus.PAUSED else None,
            pinned_agent="agent" if status in (TaskStatus.PAUSED, TaskStatus.OFFERED) else None,
            pinned_until={TaskStatus.PAUSED: NOW, TaskStatus.OFFERED: NOW + 1}.get(status),
            unmet=1 if status in (TaskStatus.BLOCKED, TaskStatus.BACKLOG) else 0,
        )


COMMANDS: tuple[Command, ...] = (
    commands.Start(task_id=TASK, fence=3),
    commands.Complete(task_id=TASK, fence=3, digest="d"),
    *(commands.Fail(task_id=TASK, fence=3, failure=failure, digest="d") for failure in FailureClass),
    *(commands.Pause(task_id=TASK, fence=3, reason=reason) for reason in PauseReason),
    commands.Release(task_id=TASK, fence=3),
    commands.Fence(task_id=TASK),
    commands.Tick(task_id=TASK),
    commands.Cancel(task_id=TASK),
    commands.Kill(task_id=TASK),
    commands.ConfirmKill(task_id=TASK, agent_id="a"),
    commands.RequestPause(task_id=TASK),
    commands.Resume(task_id=TASK),
    commands.Shelve(task_id=TASK),
    commands.Promote(task_id=TASK),
    offers.Offer(task_id=TASK, agent_id="agent", ttl=1),
    offers.Accept(task_id=TASK, agent_id="agent"),
    offers.Reject(task_id=TASK, agent_id="agent"),
)
REPORTING = (commands.Start, commands.Complete, commands.Fail, commands.Pause)


def reported(command: Command) -> AttemptReport:
    """As much as a worker can tell together with a command: server.pool.reports."""
    match command:
        case commands.Start():
            return AttemptReport(session="s", branch="b")
        case commands.Fail():
            return EVERYTHING
        case commands.Complete() | commands.Pause():
            return AttemptReport(session="s", branch="b", commit="c", snapshot="r", text="t")
        case _:
            return AttemptReport()


def changes() -> Iterator[tuple[str, set[str]]]:
    """Each event that the rules of a task's life can cause, with the fields of its data."""
    for state, command in product(states(), COMMANDS):
        try:
            change = transitions.decide(state, command, now=NOW)
        except SwarmError:
            continue
        if isinstance(change, Change):
            yield from _drafted(state, change, reported(command))
    for state in states():
        for rule in (transitions.fail_by_dependency, transitions.skip_by_dependency):
            consequence = rule(state, "upstream")
            if consequence is not None:
                yield from _drafted(state, consequence, AttemptReport())
        yield from _drafted(state, transitions.unblock(state, 1, now=NOW), AttemptReport())


def _drafted(state: TaskState, change: Change, report: AttemptReport) -> Iterator[tuple[str, set[str]]]:
    draft = task_event(state, change, actor="agent:a", report=report, note={})
    if draft is not None:
        yield draft.type, set(draft.data)


def test_given_every_event_that_the_store_and_the_rules_emit_then_it_is_registered() -> None:
    emitted = {name for path in EMITTERS for name in named_in(SOURCE / path)}
    assert emitted == set(EVENT_TYPES)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_given_a_module_that_names_events_then_each_is_registered(path: Path) -> None:
    assert named_in(path) <= set(EVENT_TYPES)


def test_given_every_event_type_then_the_dashboard_has_a_sentence_for_it_and_for_no_other() -> None:
    words = (ROOT / "web" / "src" / "words" / "events.ts").read_text(encoding="utf-8")
    told = re.findall(r"^  '([A-Za-z.]+)': \(", words, flags=re.MULTILINE)
    assert sorted(told) == sorted(EVENT_TYPES)


def test_given_every_change_of_a_task_then_its_event_holds_what_is_registered_and_nothing_else() -> None:
    undocumented: dict[str, set[str]] = {}
    for event_type, fields in changes():
        unknown = fields - documented_fields(event_type)
        if unknown:
            undocumented.setdefault(event_type, set()).update(unknown)
    assert undocumented == {}


def test_given_every_error_with_a_code_of_its_own_then_no_other_kind_of_it_has_that_code() -> None:
    for cls in error_classes():
        spec = REGISTRY.get(cls.code)
        assert spec is None or spec.error is cls, (
            f"{cls.__qualname__} has the code of {spec and spec.error.__qualname__}"
        )


def test_given_every_code_of_one_program_then_one_class_has_it() -> None:
    known: dict[tuple[str, str], type[SwarmError]] = {}
    for cls in error_classes():
        package = cls.__module__.split(".")[1]
        other = known.setdefault((package, cls.code), cls)
        assert other is cls, f"{cls.__qualname__} and {other.__qualname__} both have {cls.code!r}"


def test_given_every_code_then_it_is_written_as_codes_are() -> None:
    codes = [*REGISTRY, *(cls.code for cls in error_classes())]
    assert not [code for code in codes if not re.fullmatch(r"[a-z]+(?:[A-Z][a-z]*)*", code)]


def test_given_every_registered_error_then_it_says_what_it_means() -> None:
    assert not [code for code, spec in REGISTRY.items() if not (spec.error.__doc__ or "").strip()]
    assert all(400 <= spec.status < 600 for spec in REGISTRY.values())
    assert all(spec.status == 429 or spec.status >= 500 for spec in REGISTRY.values() if spec.retryable)
