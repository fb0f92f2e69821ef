"""Events as sentences."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from agent_swarm.cli.text import clock, one_line, short_id, usage

Event = Mapping[str, Any]
Names = Mapping[str, str]  # agent id -> name

ENDINGS = {
    "task.failed": "failed",
    "task.requeued": "is queued again",
    "task.paused": "paused",
    "task.cancelled": "cancelled",
    "task.killed": "killed, and paused",
}
OFFERS = {
    "task.offered": "{agent} is asked whether it takes it",
    "task.offerAccepted": "{agent} accepted it",
    "task.offerRejected": "{agent} rejected it",
    "task.offerExpired": "{agent} did not answer in time",
}
SAID = {
    "task.progressed": "{text}",
    "task.outcomeStated": "{outcome}: {text}",
    "task.attached": "left {name} ({bytes} bytes)",
}
PLAIN = {
    "agent.updated": "is back, or has another profile",
    "agent.superseded": "a newer process of this agent took over",
    "agent.signedOff": "left in good order",
    "agent.started": "gets work again",
    "task.ready": "its time has come",
    "task.unpinned": "any agent may take it now",
    "task.unblocked": "waits for nothing more",
    "task.pauseRequested": "asked to pause",
    "task.resumed": "is queued again",
    "task.shelved": "went to the backlog",
    "task.waitsForBudget": "waits until its budget has room",
    "task.promoted": "came out of the backlog",
}


def line(event: Event, agents: Names, *, width: int = 100) -> str:
    """`12:00:01  task.claimed  3f2a91bc  ada took it, attempt 1`."""
    subject = short_id(event.get("taskId") or event["subject"]["id"])
    return f"{clock(event['at'])}  {event['type']:<18}  {subject}  {sentence(event, agents, width=width)}".rstrip()


def sentence(event: Event, agents: Names, *, width: int = 100) -> str:
    """What happened, in words."""
    data = _with_names(event.get("data") or {}, agents)
    teller = TELLERS.get(event["type"].partition(".")[0])
    words = teller(event["type"], data) if teller else ""
    return one_line(words or _told(event["type"], data, _agent(data, agents), attempt=event.get("attempt")), width)


def _told(event_type: str, data: Mapping[str, Any], agent: str, *, attempt: int | None) -> str:
    match event_type:
        case "task.created":
            return f"{data.get('title', '')} ({data.get('status', '')})"
        case "task.claimed":
            return f"{agent} took it, attempt {attempt}"
        case _ if event_type in OFFERS:
            return _with_reason(OFFERS[event_type].format(agent=agent), data)
        case "task.started":
            return f"{agent} started" if agent else "started"
        case _ if event_type in SAID:
            return SAID[event_type].format_map(defaultdict(str, data))
        case "task.usageBooked":
            return usage(data)
        case "task.completed":
            commit = f", commit {data['commit'][:10]}" if data.get("commit") else ""
            return f"{agent} completed it{commit}" if agent else f"completed{commit}"
        case "task.noEligibleAgent":
            return _nobody(data)
        case "task.edited":
            return f"has another {', '.join(data.get('fields', ()))}"
        case "task.reprioritized":
            return f"priority {data.get('priority')}"
        case _ if event_type in ENDINGS:
            return _with_reason(ENDINGS[event_type], data)
        case _:
            return PLAIN.get(event_type) or ", ".join(f"{key}: {value}" for key, value in data.items())


def _of_agents(event_type: str, data: Mapping[str, Any]) -> str:
    match event_type:
        case "agent.permissions":
            profile = data.get("profile")
            return f"works under permission profile {profile} now" if profile else "works under the usual profile now"
        case "agent.registered":
            return f"{data.get('name', 'an agent')} is here, as {data.get('agentRole', 'agent')}"
        case "agent.introduced":
            if data.get("parentAgentId"):
                return f"{data.get('name', 'an agent')} is below agent {short_id(data['parentAgentId'])}"
            return f"{data.get('name', 'an agent')} is known from {data.get('origin', 'elsewhere')}"
        case "agent.resting":
            return f"takes nothing until {data.get('until')}: {data.get('reason')}"
        case "agent.profileChanged":
            note = f": {data['note']}" if data.get("note") else ""
            return f"has version {data.get('version')} of its profile ({', '.join(data.get('fields', ()))}){note}"
        case "agent.stopped":
            return _with_reason("gets no work any more", data)
        case "agent.killAcknowledged":
            return f"confirmed that nothing runs any more ({data.get('runs', 0)} runs ended)"
    return ""


def _of_projects(event_type: str, data: Mapping[str, Any]) -> str:
    both = f"{short_id(data.get('taskId'))} and {short_id(data.get('otherTaskId'))}"
    match event_type:
        case "project.overlapFound":
            more = f" and {data['more']} more" if data.get("more") else ""
            return f"{both} would not merge: {', '.join(data.get('files', ()))}{more}"
        case "project.overlapGone":
            return f"{both} overlap no more"
    return ""


def _of_history(event_type: str, data: Mapping[str, Any]) -> str:
    match event_type:
        case "audit.checkpointed":
            return f"checkpoint {data.get('number')} signed"
        case "audit.keyIntroduced":
            return f"the key {data.get('keyId')} signs checkpoints from here on"
    return f"events {data.get('fromSeq')} to {data.get('toSeq')} are in {data.get('file')}"


def _of_messages(event_type: str, data: Mapping[str, Any]) -> str:
    if event_type != "message.posted":
        numbers = data.get("messages") or ()
        word = "has" if event_type == "message.acknowledged" else "is handed"
        return f"{_who(str(data.get('recipient', '')))} {word} {len(numbers)} message{'' if len(numbers) == 1 else 's'}"
    place = f" in #{data['channel']}" if data.get("channel") else ""
    named = data.get("to") or ()
    to = ", ".join(map(_who, named)) if 0 < len(named) <= 3 else f"{data.get('recipients', 0)} recipients"
    return f"said to {to}{place}{', to be read at once' if data.get('interrupt') else ''}"


def _of_channels(event_type: str, data: Mapping[str, Any]) -> str:
    verb = {"channel.joined": "joined", "channel.left": "left"}.get(event_type)
    who = _who(str(data.get("member", "")))
    return f"{who} {verb} #{data.get('name')}" if verb else f"#{data.get('name')} was made"


def _with_names(data: Mapping[str, Any], agents: Names) -> Mapping[str, Any]:
    """What happened, with the names of those agents that are known, where it is about recipients."""

    def name(recipient: Any) -> Any:
        kind, _, identifier = str(recipient).partition(":")
        return agents.get(identifier, recipient) if kind == "agent" else recipient

    named = {field: name(data[field]) for field in ("recipient", "member") if field in data}
    named |= {"agent": agents[data["agentId"]]} if data.get("agentId") in agents else {}
    return {**data, **named, **({"to": [name(one) for one in data["to"]]} if data.get("to") else {})}


def _who(recipient: str) -> str:
    kind, _, name = recipient.partition(":")
    return f"{kind} {short_id(name)}" if kind in ("agent", "task") else recipient


def _of_swarms(event_type: str, data: Mapping[str, Any]) -> str:
    name = f"swarm {data.get('name')}"
    match event_type:
        case "swarm.joined" | "swarm.left":
            verb = "joined" if event_type == "swarm.joined" else "left"
            return f"{data.get('agent') or 'agent ' + short_id(str(data.get('agentId')))} {verb} {name}"
        case "swarm.changed":
            return f"{name} has another project" if data.get("projectId") else f"{name} has no project any more"
        case "swarm.created":
            return f"{name} was made"
        case "swarm.resumed":
            return f"{name} goes on"
    return f"{name} is {event_type.removeprefix('swarm.')}"


def _of_the_switch(event_type: str, data: Mapping[str, Any]) -> str:
    which = str(data.get("id"))
    named = {"all": "everything", "swarm": f"swarm {which}"}
    covered = named.get(str(data.get("scope")), f"{data.get('scope')} {short_id(which)}")
    if event_type == "killSwitch.activated":
        reason = f": {data['reason']}" if data.get("reason") else ""
        return f"KILLED {covered}{reason} ({data.get('attempts', 0)} attempts ended)"
    resumed = f", {data['resumed']} tasks resumed" if data.get("resumed") else ""
    return f"lifted for {covered}{resumed}"


def _with_reason(words: str, data: Mapping[str, Any]) -> str:
    upstream = f"task {short_id(data['upstream'])} did not complete" if data.get("upstream") else ""
    parts = (upstream or data.get("reason"), data.get("code"), data.get("message"))
    return ": ".join([words, *(str(part) for part in parts if part)])


def _nobody(data: Mapping[str, Any]) -> str:
    requires = data.get("requires") or {}
    needs = [*requires.get("tags", ()), *requires.get("capabilities", ())]
    if requires.get("anyTag"):
        needs.append(f"one of {', '.join(requires['anyTag'])}")
    told = f" with {', '.join(needs)}" if needs else ""
    others = data.get("tasks", 1) - 1
    return f"no agent{told} is online{f'; {others} more wait for the same' if others > 0 else ''}"


def _agent(data: Mapping[str, Any], agents: Names) -> str:
    identifier = data.get("agentId")
    return agents.get(identifier, f"agent {short_id(identifier)}") if identifier else ""


def _of_memory(event_type: str, data: Mapping[str, Any]) -> str:
    verb = {"memory.removed": "removed"}.get(event_type, "stored" if data.get("isNew") else "replaced")
    whose = str(data.get("scope", ""))
    return f"{verb} the note {data.get('name', '')!r} of {'the' if whose == 'swarm' else 'one'} {whose}"


def _of_questions(event_type: str, data: Mapping[str, Any]) -> str:
    title = f"{data.get('title', '')!r}"
    match event_type:
        case "approval.asked":
            return f"asks people {title}, until {data.get('expiresAt', '')}"
        case "approval.expired":
            return f"nobody answered {title}: denied"
        case "approval.closed":
            return f"{title} needs no answer any more"
    return f"{title} was {data.get('status', 'answered')}"


def _of_values(event_type: str, data: Mapping[str, Any]) -> str:
    where = f"{data.get('key', '')} in {data.get('namespace', '')}"
    if event_type == "kv.removed":
        return f"{where} ran out" if data.get("reason") == "expired" else f"{where} was removed"
    return f"{where} was set"


def _of_schedules(event_type: str, data: Mapping[str, Any]) -> str:
    name, run = data.get("name", ""), f"run {data.get('run')} of {data.get('name', '')}"
    match event_type:
        case "schedule.created" | "schedule.changed":
            done = "is started by the clock" if event_type == "schedule.created" else "was changed"
            return f"{name} {done}: {data.get('rule', '')}"
        case "schedule.paused":
            message = f": {data['message']}" if data.get("message") else ""
            itself = f" itself after {data.get('failures')} failures{message}"
            return f"{name} was paused" if data.get("reason") == "person" else f"{name} paused{itself}"
        case "schedule.fired":
            tasks = data.get("tasks", 1)
            return f"{run} began, with {tasks} task{'' if tasks == 1 else 's'}"
        case "schedule.skipped":
            return f"{run} was left out: tasks of an earlier one are open"
        case "schedule.queued":
            return f"{run} waits for the one before"
        case "schedule.failed":
            return f"{run} could not begin: {data.get('message', '')}"
        case "schedule.missed":
            more = "more than " if data.get("more") else ""
            return f"{name} missed {more}{data.get('count')}, the last at {data.get('last', '')}"
    return f"{name} {_SCHEDULES.get(event_type, '')}"


def _of_budgets(event_type: str, data: Mapping[str, Any]) -> str:
    spent = f"${data.get('spentUsd', 0):.2f} and {data.get('spentTokens', 0):,} tokens are spent"
    return f"{data.get('name', '')} {_BUDGETS.get(event_type, '')}; {spent}"


_BUDGETS = {
    "budget.created": "caps what may be spent",
    "budget.changed": "was changed",
    "budget.removed": "is no more",
    "budget.renewed": "begins a new day",
    "budget.reached": "is used up",
    "budget.shut": "has no room for another attempt",
    "budget.opened": "has room for all who waited",
}
_SCHEDULES = {
    "schedule.resumed": "goes on",
    "schedule.finished": "has no run left",
    "schedule.removed": "is no more",
}


def _of_triggers(event_type: str, data: Mapping[str, Any]) -> str:
    name, action = data.get("name", ""), _ACTIONS.get(str(data.get("action")), "")
    match event_type:
        case "trigger.created":
            return f"{name} {action} when a task has ended: {', '.join(data.get('on', ()))}"
        case "trigger.paused":
            itself = f"paused itself after {data.get('failures')} failures: {data.get('message', '')}"
            return f"{name} {'was paused' if data.get('reason') == 'person' else itself}"
        case "trigger.fired":
            return f"{action} because the task is {data.get('on', '')}"
        case "trigger.refused":
            return f"could not act: {data.get('message', '')}"
        case "trigger.delivered":
            return f"delivered, answered {data.get('status', '')}"
        case "trigger.gaveUp":
            return f"not delivered after {data.get('tries')} tries: {data.get('message', '')}"
    return f"{name} {_TRIGGERS.get(event_type, '')}".strip()


_ACTIONS = {"createTask": "files a task", "postMessage": "posts a message", "webhook": "sends a webhook"}
_TRIGGERS = {
    "trigger.resumed": "fires again",
    "trigger.removed": "is no more",
    "trigger.carriedOut": "done",
    "trigger.redelivered": "sent again",
    "trigger.secretRemoved": "has lost its signing secret",
}


def _of_merge_queues(event_type: str, data: Mapping[str, Any]) -> str:
    count = len(data.get("taskIds", ()))
    results = f"{count} result{'' if count == 1 else 's'}" if count else "the branch by itself"
    match event_type:
        case "mergeQueue.set":
            return f"up to {data.get('largest')} results are checked together and landed"
        case "mergeQueue.halted":
            return f"halted: {data.get('message', '')}"
        case "mergeQueue.checking":
            return f"{results} checked"
        case "mergeQueue.landed":
            return f"{results} landed at {str(data.get('commit', ''))[:12]}"
        case "mergeQueue.failed":
            return f"{results} checked: {data.get('verdict', '')}"
        case "mergeQueue.returned":
            then = "again as another task" if data.get("followUpId") else data.get("problem", "")
            return f"does not fit ({data.get('code', '')}), {then}"
    return _MERGE_QUEUES.get(event_type, "")


_MERGE_QUEUES = {
    "mergeQueue.off": "checks nothing more",
    "mergeQueue.entered": "its result is in the merge queue",
    "mergeQueue.dropped": "its result was taken out of the merge queue",
}


def _of_people(event_type: str, data: Mapping[str, Any]) -> str:
    match event_type:
        case "user.created":
            return f"may log in, as {data.get('role', 'user')}"
        case "user.changed":
            return ", ".join(_changes(data))
        case "user.removed":
            return "is no user any more"
        case "session.started":
            return f"{data.get('owner', '')} logged in from {data.get('address', '')}"
        case "session.ended":
            return f"{data.get('owner', '')}: {data.get('reason', 'over')}"
        case "session.allEnded":
            return "every session is over"
        case "signingKey.created":
            return "signs the tokens of sessions"
        case "signingKey.removed":
            return "is gone, with every token that it signed"
        case "auth.denied":
            return f"{data.get('requests', '')} refused: {data.get('reason', '')}"
    return ""


def _changes(data: Mapping[str, Any]) -> list[str]:
    changes = [f"is {data['role']} now"] if data.get("role") else []
    if data.get("password"):
        changes.append("has another password")
    if "disabled" in data:
        changes.append("is disabled" if data["disabled"] else "may log in again")
    return changes


# Who tells of the events of a subject; where they have no words for one, it is told as any other.
TELLERS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "agent": _of_agents,
    "audit": _of_history,
    "approval": _of_questions,
    "killSwitch": _of_the_switch,
    "message": _of_messages,
    "project": _of_projects,
    "channel": _of_channels,
    "swarm": _of_swarms,
    "kv": _of_values,
    "memory": _of_memory,
    "schedule": _of_schedules,
    "budget": _of_budgets,
    "trigger": _of_triggers,
    "mergeQueue": _of_merge_queues,
    **dict.fromkeys(("user", "session", "signingKey", "auth"), _of_people),
}
