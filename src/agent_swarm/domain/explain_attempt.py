"""What becomes of an attempt that an agent has: at work, or what it waits for.

A quiet agent is not a dead one, and a worker that is not connected is not a lost one: each is told by its own name,
with the instant from which on something else happens by itself.
"""

from agent_swarm.domain import deadlines
from agent_swarm.domain.explanation import Candidate, Facts, OpenQuestion, Reason
from agent_swarm.domain.overlaps import Overlap, named
from agent_swarm.domain.tasks import HELD, PauseReason, TaskState, TaskStatus
from agent_swarm.domain.time import SECOND, to_wire

QUIET = 300 * SECOND  # an agent that has shown nothing for so long is worth a look


def held(facts: Facts) -> str:
    """Who has it, since when, and until when without another sign of life."""
    task = facts.task
    assert task.status in HELD
    since = facts.started_at if task.status is TaskStatus.RUNNING else facts.claimed_at
    lease = f", lease until {to_wire(task.lease_expires_at)}" if task.lease_expires_at is not None else ""
    ends = f", to be done by {to_wire(at)}" if (at := deadlines.ends_at(task)) is not None else ""
    doing = "runs on" if task.status is TaskStatus.RUNNING else "was claimed by"
    begun = f" since {to_wire(since)}" if since is not None else ""
    return f"it {doing} agent {facts.name_of(task.agent_id or '')}{begun}, attempt {task.attempt}{lease}{ends}"


def reasons_of_held(facts: Facts) -> list[Reason]:
    """What its holder has not done yet; none where it is simply at work."""
    agent = facts.agent(facts.task.agent_id)
    silent = agent is not None and agent.silent_since is not None
    reasons = [*_lapsed(facts), *(_silent(facts, agent) if agent is not None and silent else [])]
    if facts.task.pause_wanted is not None:
        reasons.append(_pause_wanted(facts))
    reasons += map(waits_for_answer, facts.questions)
    reasons += map(_overlap, facts.overlaps)
    if facts.task.status is TaskStatus.CLAIMED:
        reasons.append(_starting(facts))
    elif facts.agent_ended:
        reasons.append(_not_delivered(facts))
    elif not silent:
        reasons.extend(_quiet(facts, agent))
    return reasons


def cancel_not_heard(facts: Facts) -> list[Reason]:
    """A cancelled attempt whose worker has not been heard of since: it may still run."""
    agent = facts.agent(facts.last_agent)
    if agent is None or facts.cancelled_at is None or agent.last_seen_at > facts.cancelled_at:
        return []
    seen = to_wire(agent.last_seen_at)
    return [
        Reason(
            "cancelNotHeard",
            f"agent {agent.name}, which had it, has not been heard of since {seen}: it may not know of the cancel, and "
            "its processes may go on; nothing that it delivers counts",
            "the return of that worker; without the server it ends its runs by itself, after AGENT_SWARM_MAX_OFFLINE",
            {"agentId": agent.profile.id, "lastSeenAt": seen, "cancelledAt": to_wire(facts.cancelled_at)},
        )
    ]


def _overlap(overlap: Overlap) -> Reason:
    """It goes on; what it makes will not merge with what another one makes."""
    since = to_wire(overlap.since)
    return Reason(
        "overlaps",
        f"its work would not merge with that of agent {overlap.agent} at task {overlap.task_id} "
        f"(attempt {overlap.attempt}): {named(overlap.files, overlap.more)}, since {since}",
        "another change by one of them, or the end of one; both agents were told",
        {
            "taskId": overlap.task_id,
            "attempt": overlap.attempt,
            "agentId": overlap.agent_id,
            "files": list(overlap.files),
            "more": overlap.more,
            "since": since,
        },
    )


def _lapsed(facts: Facts) -> list[Reason]:
    expires_at = facts.task.lease_expires_at
    if expires_at is None or expires_at > facts.now:
        return []
    at = to_wire(expires_at)
    return [
        Reason(
            "leaseLapsed",
            f"its lease lapsed at {at}",
            f"nothing: within seconds {_after_lapse(facts.task)}; a server that has just started waits one lease first",
            {"leaseExpiresAt": at, **_losses(facts.task)},
        )
    ]


def _silent(facts: Facts, agent: Candidate) -> list[Reason]:
    task = facts.task
    since, until = to_wire(agent.silent_since or 0), to_wire(task.lease_expires_at or facts.now)
    how = "said goodbye at" if agent.said_goodbye else "has not been heard of since"
    return [
        Reason(
            "workerSilent",
            f"the worker of agent {agent.name} {how} {since}; when its lease lapses, {_after_lapse(task)}",
            f"the return of that worker, which then delivers what it has ready; or the time {until}",
            {"agentId": agent.profile.id, "since": since, "leaseExpiresAt": until, **_losses(task)},
        )
    ]


def waits_for_answer(question: OpenQuestion) -> Reason:
    """It asked people, and none has answered."""
    until = to_wire(question.expires_at)
    return Reason(
        "waitsForAnswer",
        f"it asked people {question.title!r}, and nobody has answered (approval {question.id})",
        f"an answer: agent-swarm approval answer {question.id}; at {until} it counts as denied",
        {"approvalId": question.id, "title": question.title, "expiresAt": until, "pause": question.pauses},
    )


_PAUSED_FOR = {
    PauseReason.APPROVAL: "an answer",
    PauseReason.TASKS: "the tasks below it",
    PauseReason.BUDGET: "room in its budget",
    PauseReason.RELEASE: "others, as its agent gives it back",
    PauseReason.STOP: "the stop of its agent",
}


def _pause_wanted(facts: Facts) -> Reason:
    if facts.task.pause_wanted in _PAUSED_FOR:
        waits_for = _PAUSED_FOR[facts.task.pause_wanted]
        return Reason(
            "pauseWanted",
            f"it pauses for {waits_for}, and the worker has not said yet that the run stopped",
            "the worker's word, with its next heartbeat at the latest; or the end of its lease, if it is gone",
            {"agentId": facts.task.agent_id},
        )
    return Reason(
        "pauseWanted",
        "a person asked for a pause, and the worker has not said yet that the run has stopped",
        "the worker's answer, with its next heartbeat at the latest; or the end of its lease, if it is gone",
        {"agentId": facts.task.agent_id},
    )


def _starting(facts: Facts) -> Reason:
    name = facts.name_of(facts.task.agent_id or "")
    details = {"agentId": facts.task.agent_id}
    if facts.claimed_at is not None:
        details["claimedAt"] = to_wire(facts.claimed_at)
    return Reason(
        "starting",
        f"agent {name} prepares it and has not begun yet",
        "nothing: it begins when workspace, sandbox and harness are ready; the worker's log says how far it is",
        details,
    )


def _not_delivered(facts: Facts) -> Reason:
    ended = to_wire(facts.last_line_at) if facts.last_line_at is not None else "some time ago"
    name = facts.name_of(facts.task.agent_id or "")
    return Reason(
        "resultNotDelivered",
        f"its agent ended at {ended}; the worker of {name} has yet to deliver the result",
        "the delivery: the worker saves the work, pushes it, and tries again where it cannot reach what it needs; "
        "its log says what it waits for",
        {"agentId": facts.task.agent_id, "endedAt": ended},
    )


def _quiet(facts: Facts, agent: Candidate | None) -> list[Reason]:
    signs = (facts.started_at, facts.updated_at, facts.last_line_at)
    since = max((sign for sign in signs if sign is not None), default=facts.now)
    if facts.now - since < QUIET:
        return []
    at = to_wire(since)
    details = {"agentId": facts.task.agent_id, "since": at}
    heard = ""
    if agent is not None:
        heard = f" (heard of at {to_wire(agent.last_seen_at)})"
        details["lastSeenAt"] = to_wire(agent.last_seen_at)
    limit = "it has no timeout"
    if (ends_at := deadlines.ends_at(facts.task)) is not None:
        details["timeoutAt"] = to_wire(ends_at)
        limit = f"its timeout ends it at {details['timeoutAt']}"
    name = facts.name_of(facts.task.agent_id or "")
    return [
        Reason(
            "agentQuiet",
            f"agent {name} has shown nothing since {at}; its worker renews the lease{heard}, so it is quiet, not lost",
            f"nothing has to be done; {limit}; see agent-swarm task logs {facts.task.id}, or pause or cancel it",
            details,
        )
    ]


def _after_lapse(task: TaskState) -> str:
    """What the end of its lease does to a task."""
    if task.pause_wanted is not None:
        return "it is paused"
    told = f"loss {task.losses + 1} of {task.max_losses}"
    return f"it fails for good ({told})" if task.losses + 1 >= task.max_losses else f"it is queued again ({told})"


def _losses(task: TaskState) -> dict[str, int]:
    return {"losses": task.losses, "maxLosses": task.max_losses}
