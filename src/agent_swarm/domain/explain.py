"""Why a task is not running, and what would change that (rule T10).

Pure: `explain` judges facts that one read has gathered. Every reason names the thing in the way and what would
unblock it. What keeps an attempt that an agent has is said by `explain_attempt`.
"""

from collections.abc import Sequence
from dataclasses import replace

from agent_swarm.domain import explain_budget, explain_queue
from agent_swarm.domain.dependencies import Consequence, consequence
from agent_swarm.domain.explain_attempt import cancel_not_heard, held, reasons_of_held, waits_for_answer
from agent_swarm.domain.explanation import Candidate, Explanation, Facts, Reason, Upstream
from agent_swarm.domain.kill_switch import Switch, SwitchScope
from agent_swarm.domain.matching import Gap, Requirements, gap
from agent_swarm.domain.provider_limits import CODES
from agent_swarm.domain.swarms import SwarmStatus
from agent_swarm.domain.tasks import AttemptOutcome, PauseReason, TaskStatus
from agent_swarm.domain.time import SECOND, to_wire

NAMED = 5  # agents or upstreams a message names before it only counts the rest
NOBODY = frozenset({"noAgents", "agentUnknown", "agentUnsuitable", "noMatchingAgent", "onlyLeads", "agentsOffline"}) | {
    "noAgentInSwarm",
    "agentNotInSwarm",
    "agentStopped",
}
HANDED_OUT = 15 * SECOND  # in so long a task in the queue meets a free agent, also where a wake-up was lost


def explain(facts: Facts) -> Explanation:
    """Why the task of `facts` does not run, or how it runs or ended."""
    match facts.task.status:
        case TaskStatus.BACKLOG:
            return _waiting(
                "it is in the backlog", [*_killed(facts), _backlog(), *map(_dependency, _open_edges(facts))]
            )
        case TaskStatus.BLOCKED:
            reasons = [*_killed(facts), *map(_dependency, _open_edges(facts))]
            return _waiting("it waits for other tasks", reasons)
        case TaskStatus.PENDING:
            held_back = explain_budget.without_room(facts)
            timed = [] if held_back and explain_budget.is_put_aside(facts) else _timed(facts)
            reasons = [*_killed(facts), *_paused_swarm(facts), *held_back, *timed, *_resume_pin(facts), *_agents(facts)]
            return _waiting("it waits in the queue", reasons)
        case TaskStatus.OFFERED:
            return _waiting("it is offered to an agent", [*_killed(facts), _offered(facts)])
        case TaskStatus.PAUSED:
            return _waiting("it is paused", [*_killed(facts), *_paused(facts)])
        case TaskStatus.CLAIMED | TaskStatus.RUNNING:
            reasons = reasons_of_held(facts)
            return Explanation("; ".join([held(facts), *(reason.message for reason in reasons)]), tuple(reasons))
        case TaskStatus.COMPLETED:
            return explain_queue.completed(f"it was completed{_by(facts)}{_at(facts.finished_at)}", facts.queued)
        case TaskStatus.FAILED:
            return Explanation(f"it failed{_at(facts.finished_at)}", (_failed(facts),))
        case TaskStatus.CANCELLED:
            return Explanation(f"it was cancelled{_at(facts.finished_at)}", (_cancelled(), *cancel_not_heard(facts)))


def _waiting(what: str, reasons: Sequence[Reason]) -> Explanation:
    return Explanation(f"{what}: {'; '.join(reason.message for reason in reasons)}", tuple(reasons))


def _killed(facts: Facts) -> list[Reason]:
    """The switches that keep it from running, whoever could take it: the one for everything, and that of its swarm."""
    in_the_way = {(SwitchScope.ALL, ""), (SwitchScope.SWARM, facts.requires.swarm_id or "")}
    return [_switched_off(facts, switch) for switch in facts.killed if (switch.scope, switch.scope_id) in in_the_way]


def _paused_swarm(facts: Facts) -> list[Reason]:
    swarm = facts.swarm
    if swarm is None or swarm.status is not SwarmStatus.PAUSED:
        return []
    return [
        Reason(
            "swarmPaused",
            f"swarm {swarm.name} is paused, and nothing of it begins",
            f"a person has to let it go on: agent-swarm swarm resume {swarm.name}",
            {"swarmId": swarm.id, "name": swarm.name},
        )
    ]


def _switched_off(facts: Facts, switch: Switch) -> Reason:
    whole = switch.scope is SwitchScope.ALL
    who = facts.name_of(switch.scope_id) if switch.scope is SwitchScope.AGENT else _swarm_name(facts)
    whom = "" if whole else f" for {switch.scope} {who}"
    reason = f": {switch.reason}" if switch.reason else ""
    since = to_wire(switch.since)
    return Reason(
        "killSwitchOn",
        f"the kill switch is on{whom}{reason} (by {switch.by}, since {since})",
        "a person has to lift it: agent-swarm lift" + ("" if whole else f" --{switch.scope} {switch.scope_id}"),
        {"scope": switch.scope.value, "id": switch.scope_id, "reason": switch.reason, "by": switch.by, "since": since},
    )


def _backlog() -> Reason:
    return Reason("backlog", "nobody has promoted it yet", "promote it: agent-swarm task promote")


def _offered(facts: Facts) -> Reason:
    task = facts.task
    agent_id, until = task.pinned_agent or "", to_wire(task.pinned_until or facts.now)
    agent = facts.agent(agent_id)
    where = "" if agent is None or agent.is_online else ", which is offline"
    return Reason(
        "offered",
        f"agent {facts.name_of(agent_id)}{where} is asked until {until} whether it takes it",
        f"its answer, or a person's for it: agent-swarm task accept; at {until} it returns to the queue",
        {"agentId": agent_id, "until": until, "isOnline": agent is not None and agent.is_online},
    )


def _open_edges(facts: Facts) -> list[Upstream]:
    return [up for up in facts.upstreams if consequence(up.on_failure, up.status) is not Consequence.MET]


def _dependency(upstream: Upstream) -> Reason:
    details = {"taskId": upstream.id, "title": upstream.title, "status": upstream.status.value}
    name = f"task {upstream.id} ({upstream.title!r})"
    if upstream.status in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        return Reason(
            "dependencyFailed",
            f"{name} is {upstream.status} and this task waits for it all the same",
            "cancel this task and file it again with another dependency: an edge never changes",
            {**details, "onFailure": upstream.on_failure.value},
        )
    return Reason(
        "dependencyOpen",
        f"{name} is {upstream.status}",
        f"the completion of task {upstream.id}; ask why that one waits: agent-swarm task explain {upstream.id}",
        details,
    )


def _timed(facts: Facts) -> list[Reason]:
    task = facts.task
    if task.ready:
        return []
    if task.not_before is None or task.not_before <= facts.now:
        return [Reason("timerDue", "its time has come", "nothing: the server lets it into the queue within seconds")]
    at = to_wire(task.not_before)
    seconds = round((task.not_before - facts.now) / SECOND, 3)
    if task.attempt == 0:
        return [
            Reason("startsLater", f"it may not start before {at}", f"the time {at}", {"at": at, "inSeconds": seconds})
        ]
    if task.ended_as is AttemptOutcome.KILLED:
        who = facts.name_of(task.preferred_agent or "")
        return [
            Reason(
                "killNotConfirmed",
                f"agent {who}, whose attempt the kill switch ended, has not confirmed that nothing of it runs",
                f"its word, or the end of its lease at {at}",
                {"agentId": task.preferred_agent, "at": at, "inSeconds": seconds},
            )
        ]
    if facts.failure_code in CODES:
        return [_refused_by_provider(facts.failure_code, at, seconds)]
    if task.ended_as is AttemptOutcome.PAUSED and task.preferred_agent is None:
        told = f"the agent that had it gave it back, and others get it at {at}"
        return [Reason("givenBack", told, f"the time {at}", {"at": at, "inSeconds": seconds})]
    counts = {
        "failures": task.failures,
        "maxAttempts": task.max_attempts,
        "losses": task.losses,
        "maxLosses": task.max_losses,
    }
    return [
        Reason(
            "backoff",
            f"it is tried again at {at}, after failure {task.failures} of {task.max_attempts} "
            f"and loss {task.losses} of {task.max_losses}",
            f"the time {at}",
            {"at": at, "inSeconds": seconds, **counts},
        )
    ]


def _refused_by_provider(code: str, at: str, seconds: float) -> Reason:
    return Reason(
        "providerLimit",
        f"it is tried again at {at}: the provider of its model refused it ({code}), which counts as no failure",
        f"the time {at}",
        {"at": at, "inSeconds": seconds, "code": code},
    )


def _resume_pin(facts: Facts) -> list[Reason]:
    task = facts.task
    if task.pinned_agent is None or task.pinned_until is None:
        return []
    until = to_wire(task.pinned_until)
    if facts.was_accepted:
        return [
            Reason(
                "accepted",
                f"agent {facts.name_of(task.pinned_agent)} has accepted it and gets it until {until}",
                f"a free slot of that agent, or the time {until}, from when on any agent may take it",
                {"agentId": task.pinned_agent, "until": until},
            )
        ]
    return [
        Reason(
            "pinnedToResume",
            f"it continues on agent {facts.name_of(task.pinned_agent)} until {until}",
            f"that agent's return, or the time {until}",
            {"agentId": task.pinned_agent, "until": until},
        )
    ]


def _agents(facts: Facts) -> list[Reason]:
    """Why no agent has it, and since when none could."""
    since = facts.unserved_since
    return [
        reason
        if since is None or reason.code not in NOBODY
        else replace(
            reason,
            message=f"{reason.message} (since {to_wire(since)})",
            details={**reason.details, "since": to_wire(since)},
        )
        for reason in _of_agents(facts)
    ]


def _of_agents(facts: Facts) -> list[Reason]:
    needs = facts.requires.pinned_to(facts.task.pinned_agent)
    if not facts.agents:
        return [Reason("noAgents", "no agent has ever registered", "start a worker: agent-swarm worker")]
    if needs.agent_id is not None:
        return _addressed(facts, needs, needs.agent_id)
    fitting = [agent for agent in facts.agents if not gap(agent.profile, needs)]
    if not fitting:
        members = [agent for agent in facts.agents if needs.swarm_id in (None, agent.profile.swarm_id)]
        return [_no_match(members, needs) if members else _nobody_in_swarm(facts)]
    return _when_free(facts, fitting)


def _addressed(facts: Facts, needs: Requirements, agent_id: str) -> list[Reason]:
    agent = facts.agent(agent_id)
    if agent is None:
        return [
            Reason(
                "agentUnknown",
                f"it is for agent {agent_id}, which has never registered",
                f"start a worker with AGENT_ID={agent_id}",
                {"agentId": agent_id},
            )
        ]
    lacking = gap(agent.profile, needs)
    if lacking.other_swarm:
        return [_not_in_swarm(facts, agent)]
    if lacking:
        return [_lacks(agent, lacking, needs, "agentUnsuitable")]
    return _when_free(facts, [agent])


def _not_in_swarm(facts: Facts, agent: Candidate) -> Reason:
    name = _swarm_name(facts)
    return Reason(
        "agentNotInSwarm",
        f"agent {agent.name}, which it is addressed to, is not in swarm {name}, to which it belongs",
        f"have it join: agent-swarm swarm join {name} {agent.profile.id}",
        {"agentId": agent.profile.id, "swarmId": facts.requires.swarm_id},
    )


def _nobody_in_swarm(facts: Facts) -> Reason:
    name = _swarm_name(facts)
    return Reason(
        "noAgentInSwarm",
        f"it belongs to swarm {name}, and no agent is in there",
        f"have one join: agent-swarm swarm join {name} AGENT",
        {"swarmId": facts.requires.swarm_id, "name": name},
    )


def _swarm_name(facts: Facts) -> str:
    return facts.swarm.name if facts.swarm else str(facts.requires.swarm_id)


def _when_free(facts: Facts, fitting: Sequence[Candidate]) -> list[Reason]:
    stopped = {switch.scope_id: switch for switch in facts.killed if switch.scope is SwitchScope.AGENT}
    fit_for_it = [agent for agent in fitting if agent.profile.id not in stopped]
    if not fit_for_it:
        return [_switched_off(facts, stopped[agent.profile.id]) for agent in fitting[:NAMED]]
    may_work = [agent for agent in fit_for_it if not agent.stopped_by]
    if not may_work:
        return [_stopped(agent) for agent in fit_for_it[:NAMED]]
    return _when_there(facts, may_work)


def _stopped(agent: Candidate) -> Reason:
    return Reason(
        "agentStopped",
        f"agent {agent.name}, which fits, is stopped (by {agent.stopped_by})",
        f"start it: agent-swarm agent start {agent.profile.id}",
        {"agentId": agent.profile.id, "by": agent.stopped_by},
    )


def _when_there(facts: Facts, fitting: Sequence[Candidate]) -> list[Reason]:
    online = [agent for agent in fitting if agent.is_online]
    if not online:
        names = _listed([agent.name for agent in fitting])
        details = {"agents": [agent.profile.id for agent in fitting[:NAMED]], "count": len(fitting)}
        return [Reason("agentsOffline", f"every agent that fits is offline: {names}", "start one of them", details)]
    awake = [agent for agent in online if agent.rests_until is None]
    free = [agent for agent in awake if agent.is_free]
    if not free:
        tired = [agent for agent in online if agent.rests_until is not None]
        return [*([_all_busy(awake)] if awake else []), *([_resting(tired)] if tired else [])]
    if not facts.task.ready or _killed(facts) or _paused_swarm(facts):
        return []  # what keeps it out of the queue has been named already
    names = _listed([agent.name for agent in free])
    details = {"agents": [agent.profile.id for agent in free[:NAMED]]}
    if facts.now - facts.updated_at > HANDED_OUT:
        since = to_wire(facts.updated_at)
        return [
            Reason(
                "agentsNotAsking",
                f"{names} could take it and {'has' if len(free) == 1 else 'have'} not asked for work since {since}: "
                "a worker that is about to leave, or has just lost its connection, takes nothing new",
                "their return, or another worker; their logs say what they do",
                {**details, "since": since},
            )
        ]
    return [Reason("aboutToStart", f"it is next for {names}", "nothing: it is handed out within moments", details)]


def _all_busy(online: Sequence[Candidate]) -> Reason:
    busy = [
        {
            "agentId": agent.profile.id,
            "name": agent.name,
            "tasks": [{"taskId": task_id, "title": title} for task_id, title in agent.holds[:NAMED]],
        }
        for agent in online[:NAMED]
    ]
    doing = _listed([f"{agent.name} ({', '.join(repr(title) for _, title in agent.holds[:2])})" for agent in online])
    return Reason(
        "agentsBusy",
        f"every agent that fits is busy: {doing}",
        "the end of one of these tasks, more slots, or another worker",
        {"agents": busy, "count": len(online)},
    )


def _resting(tired: Sequence[Candidate]) -> Reason:
    first = min(agent.rests_until or 0 for agent in tired)
    told = [f"{agent.name} until {to_wire(agent.rests_until or 0)} ({agent.rests_for})" for agent in tired]
    return Reason(
        "agentsResting",
        f"the provider of their model refuses them, and they take nothing: {_listed(told)}",
        f"the time {to_wire(first)}, or a worker with another account",
        {"agents": [agent.profile.id for agent in tired[:NAMED]], "count": len(tired), "until": to_wire(first)},
    )


def _no_match(agents: Sequence[Candidate], needs: Requirements) -> Reason:
    """Name the nearest agent: the one that lacks least, one that is there before one that is not."""
    nearest = min(agents, key=lambda agent: (gap(agent.profile, needs).size(), not agent.is_online, agent.name))
    lacking = gap(nearest.profile, needs)
    if lacking.lead_only_addressed and lacking.size() == 1:
        return Reason(
            "onlyLeads",
            "the agents that fit are leads, and a lead takes only what is addressed to it",
            f"start a worker, or address the task to a lead: agentId {nearest.profile.id}",
            {"agentId": nearest.profile.id, "name": nearest.name},
        )
    return _lacks(nearest, lacking, needs, "noMatchingAgent")


def _lacks(agent: Candidate, lacking: Gap, needs: Requirements, code: str) -> Reason:
    missing = [
        *(f"tag {tag!r}" for tag in lacking.missing_tags),
        *(f"capability {pattern!r}" for pattern in lacking.missing_capabilities),
        *([f"a skill, tag or role of {', '.join(map(repr, lacking.wanted_tags))}"] if lacking.wanted_tags else []),
    ]
    told = (
        f"no agent has everything it requires; {agent.name}, the nearest, lacks {', '.join(missing)}"
        if code == "noMatchingAgent"
        else f"agent {agent.name}, which it is addressed to, lacks {', '.join(missing)}"
    )
    return Reason(
        code,
        told,
        f"start a worker with {', '.join(missing)}, or give {agent.name} what it lacks",
        {
            "missingTags": list(lacking.missing_tags),
            "missingCapabilities": list(lacking.missing_capabilities),
            "requiredTags": sorted(needs.tags),
            "requiredCapabilities": sorted(needs.capabilities),
            "wantedTags": sorted(needs.any_tag),
            "nearestAgent": {"agentId": agent.profile.id, "name": agent.name},
        },
    )


def _paused(facts: Facts) -> list[Reason]:
    waits = facts.task.pause_reason is PauseReason.APPROVAL
    asked = [waits_for_answer(question) for question in facts.questions if question.pauses] if waits else []
    return asked or [_paused_for(facts)]


def _paused_for(facts: Facts) -> Reason:
    task = facts.task
    if task.pause_reason is PauseReason.SHUTDOWN and task.pinned_until is not None:
        until = to_wire(task.pinned_until)
        who = facts.name_of(task.pinned_agent or "")
        return Reason(
            "pausedByShutdown",
            f"agent {who} was shut down while it worked on it",
            f"the return of agent {who}; any agent that fits takes it from {until} on; or resume it now",
            {"agentId": task.pinned_agent, "until": until},
        )
    if task.pause_reason is PauseReason.APPROVAL:
        return Reason("answered", "what it asked is answered", "nothing: the server lets it go on within seconds")
    if task.pause_reason is PauseReason.TASKS:
        return Reason(
            "waitsForTasks",
            "its agent waits for the end of the tasks below it",
            f"their end: agent-swarm task list --parent {task.id}; or resume it now: agent-swarm task resume",
        )
    if task.pause_reason is PauseReason.BUDGET:
        return explain_budget.interrupted(facts)
    if task.pause_reason is PauseReason.STOP:
        return Reason("agentStopped", "its agent was stopped", "nothing: the server queues it for others at once")
    if task.pause_reason is PauseReason.RELEASE:
        return Reason("givenBack", "its agent gave it back", "nothing: the server queues it for others at once")
    if task.pause_reason is PauseReason.KILL:
        return Reason(
            "pausedByKill",
            "the kill switch ended its attempt",
            "a person has to resume it: agent-swarm task resume, or all of them: agent-swarm lift --resume",
        )
    return Reason("pausedByPerson", "a person paused it", "a person has to resume it: agent-swarm task resume")


def _failed(facts: Facts) -> Reason:
    task = facts.task
    counts = {"failures": task.failures, "losses": task.losses, "attempts": task.attempt}
    message = facts.failure_message or "it failed"
    return Reason("failed", message, "retry it as a new task: agent-swarm task retry", counts)


def _cancelled() -> Reason:
    return Reason("cancelled", "it is not wanted any more", "retry it as a new task: agent-swarm task retry")


def _by(facts: Facts) -> str:
    return f" by agent {facts.name_of(facts.last_agent)}" if facts.last_agent else ""


def _at(instant: int | None) -> str:
    return f" at {to_wire(instant)}" if instant is not None else ""


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
