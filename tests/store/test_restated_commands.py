"""What an agent has stated takes the place of what its worker reports, in the transaction that ends the task."""

import pytest

from agent_swarm.domain.commands import Complete, Fail
from agent_swarm.domain.tasks import FailureClass, TaskStatus
from agent_swarm.store import operations as ops
from agent_swarm.store.families.stated_outcomes import StatedOutcome
from agent_swarm.store.records import AttemptReport
from agent_swarm.testing.driver import Driver


def ending(held: ops.Held, *, agent: str) -> ops.TaskCommand:
    """The worker says that all went well; where its agent said that it failed, that is what counts."""

    def restated(stated: StatedOutcome) -> ops.TaskCommand:
        command = Fail(task_id=held.task_id, fence=held.fence, failure=FailureClass.POLICY, digest=stated.digest)
        return ops.TaskCommand(command=command, actor=agent, report=AttemptReport(text=stated.text))

    command = Complete(task_id=held.task_id, fence=held.fence, digest="well")
    return ops.TaskCommand(command=command, actor=agent, restated=restated)


def stated(held: ops.Held, *, fence: int | None = None) -> ops.StateOutcome:
    outcome = StatedOutcome(
        task_id=held.task_id,
        fence=held.fence if fence is None else fence,
        is_failure=True,
        text="it cannot be done",
        data=None,
        digest="said",
    )
    return ops.StateOutcome(outcome=outcome, actor="ada")


def running(swarm: Driver, agent: str) -> ops.Held:
    swarm.file()
    held = swarm.take(agent)
    swarm.start(held)
    return held


@pytest.mark.parametrize("together", [False, True])
def test_given_agents_that_have_spoken_and_others_when_their_runs_end_then_each_ends_by_the_right_word(
    swarm: Driver, together: bool
) -> None:
    ada = swarm.register()
    spoke, silent = running(swarm, ada), running(swarm, ada)
    swarm.do(stated(spoke))
    operations = [ending(spoke, agent=ada), ending(silent, agent=ada)]

    replies = swarm.run(*operations) if together else [swarm.do(operation) for operation in operations]

    assert [reply.state.status for reply in replies] == [TaskStatus.FAILED, TaskStatus.COMPLETED]
    assert [swarm.state(held.task_id).ended_digest for held in (spoke, silent)] == ["said", "well"]
    again = [swarm.do(operation) for operation in operations]
    assert [reply.repeated for reply in again] == [True, True]


def test_given_an_earlier_attempt_that_has_spoken_when_a_later_one_ends_then_that_word_counts_for_nothing(
    swarm: Driver,
) -> None:
    ada = swarm.register()
    first = running(swarm, ada)
    swarm.do(stated(first))
    swarm.fail(first, failure=FailureClass.INFRASTRUCTURE)
    swarm.advance(3_600)
    swarm.timers()
    second = swarm.take(ada)
    swarm.start(second)

    reply = swarm.do(ending(second, agent=ada))

    assert reply.state.status is TaskStatus.COMPLETED
