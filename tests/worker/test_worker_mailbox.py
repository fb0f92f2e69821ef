"""The mailbox of a run: each message once, in order, and on record before anybody could ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_swarm.domain.ids import new_id
from agent_swarm.harness.base import AgentEvent, EventKind, Outcome
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.protocol.pool import Claimed, MessageText
from agent_swarm.testing.waiting import until
from agent_swarm.worker.mailbox import Mailbox
from agent_swarm.worker.spool import Kind, Spool, SpoolHead

pytestmark = pytest.mark.anyio

HEAD = SpoolHead(task_id="0197a1c2-5b7e-7c3d-9e4f-0123456789ab", attempt=1, fence=1)


def message(text: str, **fields: object) -> MessageText:
    given = {"number": 1, "kind": "direct", "sender": "operator", "sender_name": "operator", **fields}
    return MessageText.model_validate({"id": new_id(), "text": text, **given})


class Agent:
    """A session whose agent takes what it is sent, unless it is away; `holds` keeps it from saying that it has it."""

    handle = "s"

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self.is_away = False
        self.holds = asyncio.Event()
        self.holds.set()

    async def run(self, emit: Any) -> Outcome:
        return Outcome(ok=True)

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        if self.is_away:
            raise NotDelivered("it is leaving")
        self.heard.append((message_id, text, interrupt))
        await self.holds.wait()

    async def interrupt(self) -> None:
        """Nothing to stop."""

    async def close(self) -> None:
        """Nothing to free."""


class Room:
    """A mailbox with everything around it."""

    def __init__(self, folder: Path, *digest: MessageText, reads: bool = True) -> None:
        claim = Claimed(
            claim_id="c",
            task_id=HEAD.task_id,
            attempt=1,
            fence=1,
            lease_seconds=30,
            token="t",
            title="t",
            prompt="p",
            messages=digest,
        )
        self.spool = Spool.create(folder, HEAD, lambda value: value)
        self.mailbox = Mailbox(claim, self.spool, reads=reads)
        self.agent = Agent()
        self.shown: list[AgentEvent] = []

    async def emit(self, event: AgentEvent) -> None:
        self.shown.append(event)

    @asynccontextmanager
    async def at_work(self, *, has_begun: bool = True) -> AsyncIterator[None]:
        """The agent runs, and is handed what comes."""
        await self.mailbox.begin(self.emit)
        if has_begun:
            await self.mailbox.following(self.emit)(AgentEvent(EventKind.STARTED))
        handing = asyncio.create_task(self.mailbox.hand_over(self.agent, self.emit))
        try:
            yield
        finally:
            handing.cancel()
            await asyncio.gather(handing, return_exceptions=True)

    def noted(self, what: str) -> list[str]:
        """The messages that the server is going to be told this about."""
        records = [record.body for record in self.spool.records() if record.kind is Kind.RECEIVED]
        return [message_id for body in records for message_id in body.get(what, ())]

    @property
    def refusals(self) -> int:
        return sum(bool(record.body.get("refused")) for record in self.spool.records() if record.kind is Kind.RECEIVED)


async def test_given_messages_when_they_come_again_then_the_agent_has_each_once_in_order_under_its_id(
    tmp_path: Path,
) -> None:
    room, first, second = Room(tmp_path), message("one"), message("two", interrupt=True)
    async with room.at_work():
        for some in ([first], [first, second], [second]):
            room.mailbox.take(some)
        await until(lambda: len(room.noted("acknowledged")) == 2)

    assert [(message_id, interrupt) for message_id, _, interrupt in room.agent.heard] == [
        (first.id, False),
        (second.id, True),
    ]
    assert room.noted("delivered") == room.noted("acknowledged") == [first.id, second.id]
    assert [event.data["id"] for event in room.shown if event.kind is EventKind.MESSAGE] == [first.id, second.id]


async def test_given_a_message_when_it_is_taken_then_that_is_on_record_before_the_agent_has_it(tmp_path: Path) -> None:
    room, first, second = Room(tmp_path), message("one"), message("two")
    room.agent.holds.clear()
    async with room.at_work():
        room.mailbox.take([first, second])
        assert room.noted("delivered") == [first.id, second.id]
        await until(lambda: len(room.agent.heard) == 2)  # it need not have read one to be given the next

    assert room.noted("acknowledged") == []  # the run ended before the agent said that it has them


async def test_given_an_agent_that_has_not_said_a_word_when_a_message_comes_then_it_waits(tmp_path: Path) -> None:
    room, first = Room(tmp_path), message("one")
    async with room.at_work(has_begun=False):
        room.mailbox.take([first])
        for _ in range(10):
            await asyncio.sleep(0)
        assert room.agent.heard == []
        await room.mailbox.following(room.emit)(AgentEvent(EventKind.TEXT, {"text": "hello"}))
        await until(lambda: room.noted("acknowledged") == [first.id])


async def test_given_an_agent_that_is_leaving_when_a_message_comes_then_it_is_refused_and_may_come_again(
    tmp_path: Path,
) -> None:
    room, first = Room(tmp_path), message("one")
    async with room.at_work():
        room.agent.is_away = True
        room.mailbox.take([first])
        await until(lambda: room.refusals)
        room.agent.is_away = False
        room.mailbox.take([first])
        await until(lambda: room.noted("acknowledged") == [first.id])

    assert (room.refusals, len(room.agent.heard)) == (1, 1)


async def test_given_a_harness_that_takes_none_when_messages_come_then_each_time_the_server_hears_that(
    tmp_path: Path,
) -> None:
    room = Room(tmp_path, message("zero"), reads=False)
    async with room.at_work():
        room.mailbox.take([message("one")])
    room.mailbox.ended(keeps=True)

    assert (room.mailbox.digest, room.refusals) == ("", 1)
    assert (room.noted("delivered"), room.noted("acknowledged")) == ([], [])


@pytest.mark.parametrize("keeps", [True, False])
async def test_given_a_digest_when_the_run_ends_then_it_is_acknowledged_only_where_the_agent_keeps_it(
    tmp_path: Path, keeps: bool
) -> None:
    first = message("one")
    room = Room(tmp_path, first)
    async with room.at_work():
        room.mailbox.take([first])  # as a frame, too
    room.mailbox.ended(keeps=keeps)

    assert room.agent.heard == []
    assert room.noted("delivered") == [first.id]
    assert room.noted("acknowledged") == ([first.id] if keeps else [])
    assert [event.data["text"] for event in room.shown if event.kind is EventKind.MESSAGE] == ["one"]


async def test_given_a_run_that_is_over_when_a_message_comes_then_nothing_is_noted(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.mailbox.ended(keeps=True)

    room.mailbox.take([message("late")])

    assert (room.noted("delivered"), room.refusals) == ([], 0)
