"""The tables, by subject; all of them are in `metadata`."""

from agent_swarm.store.sql.tables.agents import agent, agent_child, idempotency, project, token
from agent_swarm.store.sql.tables.approvals import approval, approval_of_task, approval_place
from agent_swarm.store.sql.tables.base import metadata
from agent_swarm.store.sql.tables.history import chain_state, checkpoint, event, event_head, fact, kill_switch
from agent_swarm.store.sql.tables.messages import (
    channel,
    channel_member,
    conversation,
    delivery,
    message,
    message_head,
    waiting_message,
    wake_call,
)
from agent_swarm.store.sql.tables.notes import kv_entry, kv_expiry, note, note_name
from agent_swarm.store.sql.tables.people import (
    config_entry,
    data_key,
    login_failure,
    session_epoch,
    signing_key,
    user_account,
    user_session,
)
from agent_swarm.store.sql.tables.work import (
    attempt,
    dependency,
    prompt,
    requirement_class,
    stated_outcome,
    task,
    task_label,
    task_wait,
    usage,
)

__all__ = [
    "agent",
    "agent_child",
    "approval",
    "approval_of_task",
    "approval_place",
    "attempt",
    "chain_state",
    "channel",
    "channel_member",
    "checkpoint",
    "config_entry",
    "conversation",
    "data_key",
    "delivery",
    "dependency",
    "event",
    "event_head",
    "fact",
    "idempotency",
    "kill_switch",
    "kv_entry",
    "kv_expiry",
    "login_failure",
    "message",
    "message_head",
    "metadata",
    "note",
    "note_name",
    "project",
    "prompt",
    "requirement_class",
    "session_epoch",
    "signing_key",
    "stated_outcome",
    "task",
    "task_label",
    "task_wait",
    "token",
    "usage",
    "user_account",
    "user_session",
    "waiting_message",
    "wake_call",
]
