"""Results enter merge queues in the transaction that ends their tasks, and queues move on once, on every store."""

from dataclasses import replace
from typing import Any

import pytest

from agent_swarm.domain import commands
from agent_swarm.domain.errors import Conflict, NotFound
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.merge_queue import EntryStatus, QueueStatus, Round
from agent_swarm.domain.tasks import FailureClass, TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.families.merge_queue import (
    KEPT_PAST,
    MERGE_QUEUES,
    QUEUE_ENTRIES,
    QUEUE_NEWS,
    QUEUE_PAST,
    QUEUE_PLACES,
    QUEUE_TASKS,
    TRIM_AT_ONCE,
    MergeQueue,
    QueueEntry,
    QueueTask,
    QueueTaskKind,
)
from agent_swarm.store.families.stated_outcomes import StatedOutcome
from agent_swarm.store.merge_queues import DropFromQueue, EnterQueue, SetQueue, TurnOffQueue
from agent_swarm.store.operations import NewTask, OfferedTo, Return, StepQueue
from agent_swarm.store.records import AttemptReport, ProjectRecord, TaskSpec
from agent_swarm.testing.driver import Driver

DELIVERED = AttemptReport(text="done", branch="swarm/x/1", commit="c" * 40)


@pytest.fixture
def project(swarm: Driver) -> str:
    record = ProjectRecord(id=new_id(), name="shop", repo_url="/srv/shop.git")
    made: ProjectRecord = swarm.do(ops.CreateProject(project=record, actor="operator"))
    return made.id


@pytest.fixture
def agent(swarm: Driver) -> str:
    return swarm.register("ada")


def spec(project_id: str | None, **fields: Any) -> TaskSpec:
    return TaskSpec(**{"id": new_id(), "title": "t", "prompt": "p", "project_id": project_id, **fields})


def filed(swarm: Driver, project_id: str | None) -> str:
    task = spec(project_id)
    swarm.do(ops.CreateTasks(tasks=(NewTask(spec=task),), actor="operator"))
    return task.id


def delivered(swarm: Driver, agent: str, project_id: str | None, report: AttemptReport = DELIVERED) -> str:
    """A task that an agent has completed."""
    task_id = filed(swarm, project_id)
    complete(swarm, swarm.take(agent), report)
    return task_id


def complete(swarm: Driver, held: ops.Held, report: AttemptReport = DELIVERED) -> None:
    swarm.command(commands.Complete(task_id=held.task_id, fence=held.fence, digest="d"), report=report)


def have(swarm: Driver, project_id: str, **fields: Any) -> MergeQueue:
    """A queue into which results enter by themselves, unless said otherwise."""
    wanted = MergeQueue(
        **{"project_id": project_id, "command": "make test", "automatic": True, "set_by": "me", **fields}
    )
    before = queue_of(swarm, project_id)
    version = before.version if before is not None else 0
    made: MergeQueue = swarm.do(SetQueue(project_id=project_id, actor="me", version=version, wanted=wanted))
    return made


def queue_of(swarm: Driver, project_id: str) -> MergeQueue | None:
    return swarm.engine.read(lambda queries: queries.record(MERGE_QUEUES, project_id))


def now(swarm: Driver, project_id: str) -> MergeQueue:
    found = queue_of(swarm, project_id)
    assert found is not None
    return found


def entry_of(swarm: Driver, task_id: str) -> QueueEntry | None:
    return swarm.engine.read(lambda queries: queries.record(QUEUE_ENTRIES, task_id))


def waiting(swarm: Driver, project_id: str) -> list[str]:
    places = swarm.engine.read(lambda queries: queries.scan(QUEUE_PLACES, project_id, limit=1_000))
    return [place.task_id for place in places]


def news(swarm: Driver, project_id: str) -> list[str]:
    found = swarm.engine.read(lambda queries: queries.scan(QUEUE_NEWS, project_id, limit=1_000))
    return [one.id for one in found]


def told(swarm: Driver, event: str) -> list[dict[str, Any]]:
    events = swarm.engine.read(lambda queries: queries.events_after(0, limit=100_000))
    return [dict(one.data) for one in events if one.type == event]


def checking(swarm: Driver, project_id: str, *tasks: str) -> StepQueue:
    """The step that has these results checked."""
    queue, check = now(swarm, project_id), spec(project_id)
    after = queue.now(Round(entries=tasks), check_task_id=check.id, check_size=len(tasks))
    of_check = QueueTask(task_id=check.id, project_id=project_id, kind=QueueTaskKind.CHECK, of=tasks)
    return StepQueue(
        project_id=project_id,
        version=queue.version,
        after=after,
        seen=tuple(news(swarm, project_id)),
        check=NewTask(spec=check),
        of_check=of_check,
    )


def test_given_a_queue_when_a_task_delivers_then_its_result_is_in_it_once_and_there_is_news(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    assert waiting(swarm, project) == [task_id]
    assert task_id in news(swarm, project)
    entry = entry_of(swarm, task_id)
    assert entry is not None
    assert (entry.status, entry.entered_by) == (EntryStatus.WAITING, "system")
    assert told(swarm, "mergeQueue.entered") == [{"hops": 0}]


def test_given_tasks_that_deliver_together_then_all_of_them_enter_in_one_order(swarm: Driver, project: str) -> None:
    have(swarm, project)
    tasks = sorted(filed(swarm, project) for _ in range(3))
    held = [swarm.take(swarm.register(name)) for name in ("ada", "bob", "cy")]
    swarm.run(
        *(
            ops.TaskCommand(
                command=commands.Complete(task_id=one.task_id, fence=one.fence, digest="d"), actor="t", report=DELIVERED
            )
            for one in held
        )
    )
    assert waiting(swarm, project) == tasks


@pytest.mark.parametrize(
    "report", [AttemptReport(text="done"), AttemptReport(text="done", commit="c" * 40)], ids=["nothing", "no branch"]
)
def test_given_a_task_that_left_no_commit_on_a_branch_then_nothing_enters(
    swarm: Driver, agent: str, project: str, report: AttemptReport
) -> None:
    have(swarm, project)
    delivered(swarm, agent, project, report)
    assert waiting(swarm, project) == []


def test_given_a_task_of_no_project_or_one_that_fails_then_nothing_enters(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    delivered(swarm, agent, None)
    filed(swarm, project)
    swarm.fail(swarm.take(agent), failure=FailureClass.POLICY)
    assert waiting(swarm, project) == []


def test_given_a_queue_by_hand_or_one_that_is_off_then_results_do_not_enter_by_themselves(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project, automatic=False)
    first = delivered(swarm, agent, project)
    have(swarm, project)
    swarm.do(TurnOffQueue(project_id=project, actor="me"))
    second = delivered(swarm, agent, project)
    assert waiting(swarm, project) == []
    for task_id in (second, first, second):
        swarm.do(EnterQueue(project_id=project, task_id=task_id, actor="me"))
        swarm.advance(1)
    assert waiting(swarm, project) == [second, first]


def test_given_a_queue_that_halted_then_results_enter_all_the_same(swarm: Driver, agent: str, project: str) -> None:
    queue = have(swarm, project)
    swarm.do(StepQueue(project_id=project, version=queue.version, after=queue.halted("branchFails", "it fails")))
    assert now(swarm, project).status is QueueStatus.HALTED
    task_id = delivered(swarm, agent, project)
    assert waiting(swarm, project) == [task_id]


def test_given_what_a_queue_asked_for_when_it_delivers_then_it_enters_also_by_hand_and_keeps_its_hops(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project, automatic=False)
    first = delivered(swarm, agent, project)
    entry = swarm.do(EnterQueue(project_id=project, task_id=first, actor="me"))
    queue, again = now(swarm, project), spec(project, parent_id=first, root_id=first, depth=1)
    of_queue = QueueTask(task_id=again.id, project_id=project, kind=QueueTaskKind.FOLLOW_UP, of=(first, first), hops=1)
    back = replace(entry, status=EntryStatus.RETURNED, code="checkFailed", message="no")
    returns = Return(entry=back, task=NewTask(spec=again), of_queue=of_queue)
    swarm.do(StepQueue(project_id=project, version=queue.version, after=queue, returns=returns))
    kept = entry_of(swarm, first)
    assert kept is not None
    assert kept.followup_id == again.id
    assert waiting(swarm, project) == []
    assert told(swarm, "mergeQueue.returned")[0]["followUpId"] == again.id

    complete(swarm, swarm.take(agent))
    second = entry_of(swarm, again.id)
    assert second is not None
    assert second.hops == 1


def test_given_two_servers_that_move_a_queue_on_then_one_check_is_filed(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    one, other = checking(swarm, project, task_id), checking(swarm, project, task_id)
    assert not swarm.do(one).is_stale
    assert swarm.do(other).is_stale
    queue = now(swarm, project)
    assert one.check is not None
    assert queue.check_task_id == one.check.spec.id
    assert swarm.task(one.check.spec.id).state.status is TaskStatus.PENDING
    assert news(swarm, project) == []
    assert len(told(swarm, "mergeQueue.checking")) == 1


def test_given_a_check_that_ends_then_there_is_news_and_nothing_of_it_enters(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    swarm.do(checking(swarm, project, task_id))
    held = swarm.take(agent)
    assert news(swarm, project) == []
    complete(swarm, held)
    assert news(swarm, project) == [held.task_id]
    assert waiting(swarm, project) == [task_id]


def test_given_a_check_that_cannot_be_filed_then_the_queue_halts_and_says_why(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    step = checking(swarm, project, task_id)
    assert step.check is not None
    missing = replace(step, check=NewTask(spec=spec(new_id())))
    swarm.do(missing)
    queue = now(swarm, project)
    assert (queue.status, queue.halt_code, queue.check_task_id) == (QueueStatus.HALTED, "unknownReference", None)
    assert waiting(swarm, project) == [task_id]


def test_given_an_agent_that_cannot_be_asked_when_work_comes_back_then_it_is_filed_for_all(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    queue, again, entry = now(swarm, project), spec(project), entry_of(swarm, task_id)
    assert entry is not None
    of_queue = QueueTask(task_id=again.id, project_id=project, kind=QueueTaskKind.FOLLOW_UP, of=(task_id, task_id))
    task = NewTask(spec=again, offer=OfferedTo(agent_id=new_id(), ttl=1))
    returns = Return(entry=replace(entry, status=EntryStatus.RETURNED), task=task, of_queue=of_queue)
    swarm.do(StepQueue(project_id=project, version=queue.version, after=queue, returns=returns))
    assert swarm.task(again.id).state.status is TaskStatus.PENDING


def test_given_the_kill_switch_when_a_queue_would_file_a_check_then_it_waits(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    step = checking(swarm, project, task_id)
    swarm.kill()
    assert swarm.do(step).is_held
    assert now(swarm, project).check_task_id is None
    assert task_id in news(swarm, project)


def test_given_a_result_when_it_is_dropped_then_it_can_enter_again_and_not_while_it_is_checked(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    one, other = delivered(swarm, agent, project), delivered(swarm, agent, project)
    swarm.do(DropFromQueue(project_id=project, task_id=other, actor="me"))
    assert waiting(swarm, project) == [one]
    swarm.do(EnterQueue(project_id=project, task_id=other, actor="me"))
    assert set(waiting(swarm, project)) == {one, other}
    swarm.do(checking(swarm, project, one))
    with pytest.raises(Conflict, match="being checked"):
        swarm.do(DropFromQueue(project_id=project, task_id=one, actor="me"))
    with pytest.raises(NotFound, match="in no merge queue"):
        swarm.do(DropFromQueue(project_id=project, task_id=new_id(), actor="me"))


def test_given_a_round_when_a_result_of_it_that_nobody_checks_is_dropped_then_the_check_goes_on_without_it(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    tasks = [delivered(swarm, agent, project) for _ in range(3)]
    step = checking(swarm, project, tasks[0])
    swarm.do(replace(step, after=step.after.now(Round(entries=tuple(tasks), failing=3, seen=1, base="b"))))
    swarm.do(DropFromQueue(project_id=project, task_id=tasks[2], actor="me"))
    assert now(swarm, project).under_way == Round(entries=(tasks[0], tasks[1]), seen=1, base="b")


def test_given_a_queue_that_changed_since_it_was_read_when_it_is_set_then_that_is_refused(
    swarm: Driver, project: str
) -> None:
    queue = have(swarm, project)
    have(swarm, project, command="make check")
    with pytest.raises(Conflict, match="somebody else"):
        swarm.do(SetQueue(project_id=project, actor="me", version=queue.version, wanted=queue))


def test_given_many_results_that_are_settled_then_the_oldest_are_forgotten(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    tasks = [delivered(swarm, agent, project) for _ in range(3)]
    for number in range(KEPT_PAST):
        entry = QueueEntry(task_id=new_id(), project_id=project, entered_by="me", status=EntryStatus.LANDED)
        queue = now(swarm, project)
        swarm.do(StepQueue(project_id=project, version=queue.version, after=queue, landed=(entry,)))
        swarm.advance(1)
        if number < len(tasks):
            found = entry_of(swarm, tasks[number])
            assert found is not None
            landed = replace(found, status=EntryStatus.LANDED)
            swarm.do(StepQueue(project_id=project, version=queue.version, after=queue, landed=(landed,)))
            swarm.advance(1)
    past = swarm.engine.read(lambda queries: queries.scan(QUEUE_PAST, project, limit=KEPT_PAST + TRIM_AT_ONCE))
    assert len(past) == KEPT_PAST
    assert [entry_of(swarm, task_id) for task_id in tasks[:1]] == [None]


def test_given_a_check_whose_code_states_an_outcome_then_its_verdict_stays_and_that_of_others_does_not(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    swarm.do(checking(swarm, project, task_id))

    def ends_as_stated(held: ops.Held) -> str:
        outcome = StatedOutcome(
            task_id=held.task_id, fence=held.fence, is_failure=False, text="all is well", data=None, digest="x"
        )
        swarm.do(ops.StateOutcome(outcome=outcome, actor=f"agent:{agent}"))
        command = commands.Complete(task_id=held.task_id, fence=held.fence, digest="d")
        worker = ops.TaskCommand(command=command, actor="t", report=AttemptReport(text="it failed"))
        stated = replace(worker, report=AttemptReport(text="all is well"))
        swarm.do(replace(worker, restated=lambda _: stated))
        return str((swarm.task(held.task_id).result or {})["text"])

    assert ends_as_stated(swarm.take(agent)) == "it failed"
    filed(swarm, project)
    assert ends_as_stated(swarm.take(agent)) == "all is well"


def test_given_the_tasks_that_a_queue_filed_then_they_are_known_as_such(
    swarm: Driver, agent: str, project: str
) -> None:
    have(swarm, project)
    task_id = delivered(swarm, agent, project)
    step = checking(swarm, project, task_id)
    swarm.do(step)
    of_check = step.of_check
    assert of_check is not None
    kept = swarm.engine.read(lambda queries: queries.record(QUEUE_TASKS, of_check.task_id))
    assert kept == of_check
