"""A firing becomes an operation: what its trigger does, as if its maker did it now, for the task that has ended.

What does not fit any more (a project that is gone, a channel that its agent has left) is a problem of that firing, and
told as such. What a task came to is told as its word: it mentions nobody and gives nobody a task.
"""

from collections.abc import Callable
from typing import Any

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import AgentRole
from agent_swarm.domain.messages import HOPS, TEXT_BYTES, MessageKind, channel_name
from agent_swarm.domain.triggers import TriggerAction
from agent_swarm.protocol.rest_messages import ADDRESSED
from agent_swarm.services import followups, mail_access, recipients
from agent_swarm.services.firing import filing
from agent_swarm.services.recipients import People
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.tasks import Rules
from agent_swarm.services.tokens import Identity, Scope, scopes_of
from agent_swarm.store.base import Queries
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.mail import Message
from agent_swarm.store.families.posting import PostMessage
from agent_swarm.store.families.triggers import TRIGGER_WORK, TRIGGERS, Firing, Trigger
from agent_swarm.store.operations import Problem, SettleFiring
from agent_swarm.store.records import TaskRecord, TokenKind

GONE = Problem(code="notFound", message="the trigger has been removed, or the task")


class Carrier:
    """Makes operations of firings, by the rules of one server. `most_hops` is how far messages wake agents."""

    def __init__(self, rules: Rules, redactor: Redactor, *, most_hops: int = HOPS) -> None:
        self._rules = rules
        self._redactor = redactor
        self._most_hops = most_hops

    def operation(self, firing: Firing) -> Callable[[Queries], SettleFiring]:
        """A reading: the operation that files what a firing files, or posts what it posts."""

        def reading(queries: Queries) -> SettleFiring:
            trigger = queries.record(TRIGGERS, firing.scope, firing.trigger_id)
            work = queries.record(TRIGGER_WORK, firing.trigger_id)
            task = queries.task(firing.task_id)
            if trigger is None or work is None or task is None:
                return SettleFiring(firing_id=firing.id, problem=GONE)
            swarm_id = task.spec.swarm_id
            try:
                if firing.action is TriggerAction.CREATE_TASK:
                    return self._filing(queries, firing, trigger, work.does, task)
                post = self._post(queries, trigger, work.does[TriggerAction.POST_MESSAGE.value], task)
                return SettleFiring(firing_id=firing.id, swarm_id=swarm_id, post=post)
            except SwarmError as refused:
                problem = Problem(code=refused.code, message=refused.message)
                return SettleFiring(firing_id=firing.id, swarm_id=swarm_id, problem=problem)

        return reading

    def _filing(self, queries: Queries, firing: Firing, trigger: Trigger, does: Any, task: TaskRecord) -> SettleFiring:
        wanted = {**does[TriggerAction.CREATE_TASK.value], "parentTaskId": task.spec.id}
        create = filing(queries, {"task": wanted}, by=maker_of(trigger), rules=self._rules)
        return SettleFiring(firing_id=firing.id, swarm_id=task.spec.swarm_id, tasks=create.tasks, capped=create.capped)

    def _post(self, queries: Queries, trigger: Trigger, post: Any, task: TaskRecord) -> PostMessage:
        """The message. That of an agent's trigger is the agent's; else its sender is the system."""
        maker = maker_of(trigger)
        people, own = People(queries), self._redactor.text(post["text"])
        channel = channel_name(post["channel"]) if "channel" in post else None
        to: list[str] = []
        if channel is not None:
            mail_access.require_member(queries, channel, maker)
            reached = recipients.members_of(queries, channel)
        else:
            named = [task.spec.created_by] if post.get("filer") else post["to"]
            to = list(dict.fromkeys(people.actor_of(who, "to") for who in named))
            reached = to
        meant = people.meant_by(own, channel=channel)
        # Whoever made the trigger may be who is to hear of it: nobody is left out as its sender.
        chosen = recipients.addressees(people, reached, meant, direct=channel is None, sender=SYSTEM)
        message = Message(
            id=new_id(),
            kind=MessageKind.DIRECT if channel is None else MessageKind.CHANNEL,
            sender=SYSTEM if maker.agent_id is None else maker.actor,
            sender_name=_sender_name(queries, maker, trigger),
            channel=channel,
            task_id=task.spec.id,
            to=tuple(to),
            mentions=tuple(sorted(meant.agents))[:ADDRESSED],
            mentions_all=meant.is_all,
            text=_text(own, task, with_result=bool(post.get("includeResult"))),
        )
        return PostMessage(message=message, addressees=chosen, most_hops=self._most_hops, of_task=trigger.maker_task_id)


def maker_of(trigger: Trigger) -> Identity:
    """Whoever made the trigger, as if that one acted now: an agent below the task it had, with its caps."""
    is_agent = trigger.maker_task_id is not None
    kind = TokenKind.ATTEMPT if is_agent else TokenKind.OPERATOR
    scopes = scopes_of(kind, AgentRole.LEAD) if is_agent else (Scope.TASKS_WRITE.value,)
    return Identity(
        kind=kind,
        token_id=f"trigger:{trigger.id}",
        scopes=frozenset(scopes),
        agent_id=trigger.maker_agent_id,
        task_id=trigger.maker_task_id,
        owner=trigger.created_by,
    )


def _sender_name(queries: Queries, maker: Identity, trigger: Trigger) -> str:
    agent = queries.agent(maker.agent_id) if maker.agent_id else None
    return agent.name if agent is not None else f"trigger {trigger.name}".rstrip()


def _text(own: str, task: TaskRecord, *, with_result: bool) -> str:
    """What is said, with a line on the task below it, and where wanted what that came to."""
    title = " ".join(task.spec.title.split())
    parts = [own, f"Task {task.spec.id} ({title}) is {task.state.status.value}."]
    if with_result:
        parts.append(followups.digest([followups.account_of("the task", task)]))
    whole = "\n\n".join(parts)
    return whole if len(whole.encode()) <= TEXT_BYTES else own
