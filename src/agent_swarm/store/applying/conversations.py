"""Idle agents are woken for messages, by one task that all of them share."""

from dataclasses import replace

from agent_swarm.domain.kill_switch import stopping
from agent_swarm.domain.messages import AT_ONCE, fitting
from agent_swarm.store import events
from agent_swarm.store import operations as ops
from agent_swarm.store.applying.tasks import create_task
from agent_swarm.store.applying.work import Work
from agent_swarm.store.families.mail import CALLS, CONVERSATIONS, MESSAGES, TRAY, TRAYS, Conversation, Message


def open_conversation(work: Work, op: ops.OpenConversation) -> str:
    """Make the task, where the agent is called, is idle, and has no such task waiting."""
    call = work.get(CALLS, op.agent_id)
    if call is None or _is_stopped(work, op.agent_id):
        return ""
    recipient = f"agent:{op.agent_id}"
    if call.is_answered_by(work.scan(TRAYS, recipient, after=(call.up_to,), limit=TRAY)):
        return ""
    work.rows.prefetch(tasks=[call.task_id] if call.task_id else [])
    before = work.rows.entry(call.task_id) if call.task_id else None
    is_open = before is not None and not before.state.is_terminal
    if is_open or work.rows.held_by(op.agent_id):
        return ""
    record = create_task(work, op.task, events.SYSTEM)
    told = _told(work, recipient)
    hops = max(one.hops for one in told)
    work.add(CONVERSATIONS, [Conversation(task_id=record.spec.id, agent_id=op.agent_id, hops=hops)])
    # Where it has been told all of these before and they still wait, this is for what came behind them.
    up_to = told[-1].number if told[-1].number > call.up_to else call.last
    work.put(CALLS, replace(call, task_id=record.spec.id, up_to=up_to))
    return record.spec.id


def _is_stopped(work: Work, agent_id: str) -> bool:
    killed = work.rows.killed()
    if not killed:
        return False
    work.rows.prefetch(agents=[agent_id])
    agent = work.rows.agent(agent_id)
    return stopping(killed, agent_id, agent.profile.swarm_id if agent else None) is not None


def _told(work: Work, recipient: str) -> list[Message]:
    """What an agent that begins now is told."""
    waiting = work.scan(TRAYS, recipient, limit=AT_ONCE)
    messages = [message for one in waiting if (message := work.get(MESSAGES, one.message_id)) is not None]
    return messages[: fitting(len(message.text.encode()) for message in messages)]
