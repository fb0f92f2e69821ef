"""A worker takes messages to its agent: each once, in order, and says so until the server has heard it."""

import pytest
from tests.worker.crew import StartWorker

from agent_swarm.domain.ids import new_id
from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.protocol.pool import FrameType, MessageText
from agent_swarm.testing.fake_pool import FakePool, Fault
from agent_swarm.testing.fake_pool_records import FakeTask

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

RUNNING = TaskStatus.RUNNING
TWO = "say begun\nwait-message 60\nwait-message 60\nresult heard both"


def message(text: str, **fields: object) -> MessageText:
    given = {"number": 1, "kind": "direct", "sender": "operator", "sender_name": "operator", **fields}
    return MessageText.model_validate({"id": new_id(), "text": text, **given})


def acknowledged(task: FakeTask) -> list[str]:
    return [message_id for noted in task.received for message_id in noted.acknowledged]


def heard(task: FakeTask, text: str) -> int:
    """How often the agent says that it was told this."""
    return "\n".join(task.attempt.texts()).count(f"{text}\n</message>")


async def test_given_frames_that_come_twice_when_the_agent_works_then_it_has_each_message_once_and_in_order(
    start_worker: StartWorker,
) -> None:
    first, second = message("one"), message("two")
    async with FakePool() as server, start_worker(server.url):
        server.go_wrong(FrameType.MESSAGE, Fault.DOUBLE_REPLY, 2)
        task_id = server.add_task(TWO, harness="script")
        await server.until_status(task_id, RUNNING)
        server.tell(task_id, first)
        server.tell(task_id, first, second)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)

    assert acknowledged(task) == [first.id, second.id]
    assert (heard(task, "one"), heard(task, "two")) == (1, 1)


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.DOUBLE_REPLY, Fault.BUSY])
async def test_given_notes_of_delivery_that_are_lost_when_the_network_is_back_then_the_server_hears_them_all_the_same(
    start_worker: StartWorker, fault: Fault
) -> None:
    first, second = message("one"), message("two")
    async with FakePool() as server, start_worker(server.url):
        server.go_wrong(FrameType.RECEIVED, fault, 2)
        task_id = server.add_task(TWO, harness="script")
        await server.until_status(task_id, RUNNING)
        server.tell(task_id, first, second)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        await server.until(lambda: {first.id, second.id} <= set(acknowledged(task)))

    assert (heard(task, "one"), heard(task, "two")) == (1, 1)


async def test_given_messages_in_a_claim_when_they_come_again_as_frames_then_the_agent_has_them_once(
    start_worker: StartWorker,
) -> None:
    first, second = message("one"), message("two")
    async with FakePool() as server, start_worker(server.url):
        told = [first.model_dump(mode="json")]
        task_id = server.add_task(TWO, harness="script", messages=told)
        await server.until_status(task_id, RUNNING)
        server.tell(task_id, first)
        server.tell(task_id, second)
        task = await server.until_status(task_id, TaskStatus.COMPLETED)
        await server.until(lambda: {first.id, second.id} <= set(acknowledged(task)))

    assert sorted(acknowledged(task)) == sorted([first.id, second.id])
    assert (heard(task, "one"), heard(task, "two")) == (1, 1)


async def test_given_an_agent_that_takes_no_messages_when_one_comes_then_the_server_hears_that_it_is_refused(
    start_worker: StartWorker,
) -> None:
    async with FakePool() as server, start_worker(server.url):
        task_id = server.add_task("sleep 60", harness="shell", messages=[message("zero").model_dump(mode="json")])
        task = await server.until_status(task_id, RUNNING)
        server.tell(task_id, message("one"))
        await server.until(lambda: bool(task.received))
        server.cancel(task_id)

    assert [(noted.refused, noted.delivered, noted.acknowledged) for noted in task.received] == [(True, (), ())]
