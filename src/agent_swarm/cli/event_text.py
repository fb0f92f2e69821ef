"""Events as sentences."""

from collections.abc import Mapping
from typing import Any

from agent_swarm.cli.text import clock, one_line, short_id, usage

Event = Mapping[str, Any]
Names = Mapping[str, str]  # agent id -> name

ENDINGS = {
    "task.failed": "failed",
    "task.requeued": "is queued again",
    "task.paused": "paused",
    "task.cancelled": "cancelled",
}
PLAIN = {
    "agent.superseded": "a newer process of this agent took over",
    "agent.signedOff": "left in good order",
    "task.ready": "its time has come",
    "task.unpinned": "any agent may take it now",
    "task.unblocked": "waits for nothing more",
    "task.pauseRequested": "asked to pause",
    "task.resumed": "is queued again",
    "task.shelved": "went to the backlog",
    "task.promoted": "came out of the backlog",
}


def line(event: Event, agents: Names, *, width: int = 100) -> str:
    """`12:00:01  task.claimed  3f2a91bc  ada took it, attempt 1`."""
    subject = short_id(event.get("taskId") or event["subject"]["id"])
    return f"{clock(event['at'])}  {event['type']:<18}  {subject}  {sentence(event, agents, width=width)}".rstrip()


def sentence(event: Event, agents: Names, *, width: int = 100) -> str:
    """What happened, in words."""
    data = event.get("data") or {}
    agent = _agent(data, agents)
    return one_line(_told(event["type"], data, agent, attempt=event.get("attempt")), width)


def _told(event_type: str, data: Mapping[str, Any], agent: str, *, attempt: int | None) -> str:
    match event_type:
        case "agent.registered":
            return f"{data.get('name', 'an agent')} is here, as {data.get('agentRole', 'agent')}"
        case "agent.introduced":
            return f"{data.get('name', 'an agent')} is known from {data.get('origin', 'elsewhere')}"
        case "task.created":
            return f"{data.get('title', '')} ({data.get('status', '')})"
        case "task.claimed":
            return f"{agent} took it, attempt {attempt}"
        case "task.started":
            return f"{agent} started" if agent else "started"
        case "task.progressed":
            return str(data.get("text", ""))
        case "task.usageBooked":
            return usage(data)
        case "task.completed":
            commit = f", commit {data['commit'][:10]}" if data.get("commit") else ""
            return f"{agent} completed it{commit}" if agent else f"completed{commit}"
        case "task.noEligibleAgent":
            return _nobody(data)
        case "task.reprioritized":
            return f"priority {data.get('priority')}"
        case _ if event_type in ENDINGS:
            return _with_reason(ENDINGS[event_type], data)
        case _:
            return PLAIN.get(event_type) or ", ".join(f"{key}: {value}" for key, value in data.items())


def _with_reason(words: str, data: Mapping[str, Any]) -> str:
    upstream = f"task {short_id(data['upstream'])} did not complete" if data.get("upstream") else ""
    parts = (upstream or data.get("reason"), data.get("code"), data.get("message"))
    return ": ".join([words, *(str(part) for part in parts if part)])


def _nobody(data: Mapping[str, Any]) -> str:
    requires = data.get("requires") or {}
    needs = [*requires.get("tags", ()), *requires.get("capabilities", ())]
    told = f" with {', '.join(needs)}" if needs else ""
    others = data.get("tasks", 1) - 1
    return f"no agent{told} is online{f'; {others} more wait for the same' if others > 0 else ''}"


def _agent(data: Mapping[str, Any], agents: Names) -> str:
    identifier = data.get("agentId")
    return agents.get(identifier, f"agent {short_id(identifier)}") if identifier else ""
