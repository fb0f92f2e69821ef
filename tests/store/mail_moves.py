"""Moves of random histories with messages: people and agents write, join channels, read, and are woken."""

from collections import Counter
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.store.drawing import some_of

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.messages import DIGEST_BYTES, MessageKind
from agent_swarm.store import operations as ops
from agent_swarm.store.families.channels import CreateChannel, SetMember
from agent_swarm.store.families.mail import Channel, Message
from agent_swarm.store.families.mailing import MarkRead, NoteDelivery
from agent_swarm.store.families.posting import Addressee, PostMessage
from agent_swarm.store.memory import MemoryEngine
from agent_swarm.store.records import TaskSpec


class MailMoves(RuleBasedStateMachine):
    """For a machine that feeds batches to two engines, and fails where their answers differ."""

    memory: MemoryEngine
    tasks: list[str]
    leases: list[tuple[ops.Held, ops.ClaimTask]]
    said: list[str]
    profiles: ClassVar[list[AgentProfile]]
    woken: ClassVar[Counter[str]] = Counter()

    def apply(self, *operations: ops.Operation[Any]) -> list[Any]:
        """The answers of both engines, which are the same."""
        raise NotImplementedError

    def some_leases(self, data: st.DataObject, least: int = 1) -> list[tuple[ops.Held, ops.ClaimTask]]:
        """Claims of this history."""
        raise NotImplementedError

    def fresh_id(self) -> str:
        """An id."""
        raise NotImplementedError

    @rule(
        data=st.data(),
        number=st.integers(1, 3),
        kind=st.sampled_from([MessageKind.DIRECT, MessageKind.DIRECT, MessageKind.CHANNEL, MessageKind.STEER]),
        wakes=st.booleans(),
        key=st.sampled_from([None, None, None, "one", "two"]),
    )
    def say(self, data: st.DataObject, number: int, kind: MessageKind, wakes: bool, key: str | None) -> None:
        """People and agents in attempts write to agents, to a channel, which may not be there, and to tasks."""
        operations = []
        for _ in range(number):
            of_task = data.draw(st.sampled_from([None, *self.tasks]), label="of task")
            about = data.draw(st.sampled_from(self.tasks), label="about")
            agents = [f"agent:{profile.id}" for profile in data.draw(some_of(self.profiles, 1), label="to")]
            reached = [f"task:{about}"] if kind is MessageKind.STEER else [*agents, "operator"]
            message = Message(
                id=self.fresh_id(),
                kind=kind,
                sender="operator" if of_task is None else agents[0],
                sender_name="somebody",
                channel="build" if kind is MessageKind.CHANNEL else None,
                task_id=about if kind is MessageKind.STEER else of_task,
                text="x" * data.draw(st.sampled_from([1, 1, DIGEST_BYTES // 2]), label="length"),
            )
            chosen = [Addressee(recipient=one, is_mention=wakes, wakes=wakes and one in agents) for one in reached]
            body = message.id[-1] * 64
            asked = key and ops.Idempotency(subject="operator", route="POST /api/messages", key=key, body_hash=body)
            operations.append(
                PostMessage(
                    message=message, addressees=tuple(chosen), most_hops=1, of_task=of_task, idempotency=asked or None
                )
            )
        for reply in self.apply(*operations):
            if not isinstance(reply, SwarmError) and not reply.replayed:
                self.said.append(reply.message.id)

    @precondition(lambda self: self.said and self.leases)
    @rule(data=st.data(), has_read=st.booleans())
    def note_what_came(self, data: st.DataObject, has_read: bool) -> None:
        """Workers say what they and their agents have, mostly of the latest attempts; or an agent says what it read."""
        (held, claim), *_ = self.some_leases(data)
        ids = [tuple(data.draw(some_of(self.said[-8:], 0), label="ids")) for _ in range(2)]
        noted = NoteDelivery(
            agent_id=claim.agent_id, task_id=held.task_id, fence=held.fence, delivered=ids[0], acknowledged=ids[1]
        )
        recipient = data.draw(st.sampled_from([f"agent:{claim.agent_id}", "operator", f"task:{held.task_id}"]))
        numbers = tuple(self.said.index(message_id) + 1 for message_id in ids[0])
        read = MarkRead(recipient=recipient, numbers=numbers, task_id=held.task_id)
        self.apply(*([noted, read] if has_read else [noted]))

    @rule(data=st.data(), move=st.integers(0, 2))
    def join_or_leave(self, data: st.DataObject, move: int) -> None:
        """An agent joins the channel or leaves it, whether or not it is there."""
        profile = data.draw(st.sampled_from(self.profiles))
        member = f"agent:{profile.id}"
        if move == 0:
            channel = Channel(name="build", id=self.fresh_id(), created_by="operator")
            self.apply(CreateChannel(channel=channel, members=(member,)))
        else:
            self.apply(SetMember(channel="build", member=member, joins=move == 1, actor="operator"))

    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """Conversations with those who are called and idle; all others stay as they are."""
        agents = data.draw(st.lists(st.sampled_from(self.profiles), min_size=1, max_size=3, unique=True))
        operations = [
            ops.OpenConversation(
                agent_id=profile.id,
                task=ops.NewTask(
                    spec=TaskSpec(id=self.fresh_id(), title="t", prompt="p", requires=Requirements(agent_id=profile.id))
                ),
            )
            for profile in agents
        ]
        held = {record.state.agent_id for record in self.memory.records.values() if record.state.is_held}
        for operation, task_id in zip(operations, self.apply(*operations), strict=True):
            if task_id:
                assert operation.agent_id not in held
                self.woken[operation.agent_id] += 1
                self.tasks.append(task_id)
