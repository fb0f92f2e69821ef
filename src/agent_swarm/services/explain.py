"""Why a task waits: one reading gathers the facts, `domain.explain` judges them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent_swarm.domain.budgets import rolled
from agent_swarm.domain.explain import explain as judge
from agent_swarm.domain.explanation import Candidate, Facts, OpenQuestion, Queued, Upstream
from agent_swarm.domain.matching import gap
from agent_swarm.domain.offers import OfferStatus
from agent_swarm.domain.tasks import AttemptOutcome, TaskState
from agent_swarm.domain.time import SECOND
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest_explain import AttemptCounts, Explanation, Reason
from agent_swarm.services import views
from agent_swarm.services.agents import held_by_agent
from agent_swarm.services.budgets import of_attempt
from agent_swarm.services.conflicts import overlaps_of
from agent_swarm.services.merge_queue.asking import position_of, require_queue
from agent_swarm.services.merge_queue.views import checking
from agent_swarm.services.readings import require_task
from agent_swarm.services.transcripts import AGENT_ENDED, Transcripts
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.approvals import of_task
from agent_swarm.store.families.merge_queue import QUEUE_ENTRIES
from agent_swarm.store.families.offers import TASK_OFFERS
from agent_swarm.store.families.rests import AgentRest, resting
from agent_swarm.store.families.swarms import SWARMS
from agent_swarm.store.families.switches import killed_switches
from agent_swarm.store.records import AgentRecord, TaskRecord

OVERDUE = int(1.5 * limits.HEARTBEAT_SECONDS * SECOND)  # so long after the last heartbeat the next one is missed

NAMED_OVERLAPS = 10  # the oldest ones


async def explain(store: Store, transcripts: Transcripts, task_id: str) -> Explanation:
    """What keeps a task from running and what would unblock it (rule T10). Raises UnknownTask."""
    facts = await store.read(_gather(task_id, store.now()))
    if facts.task.is_held:
        last = await transcripts.last(task_id, facts.task.attempt)
        if last is not None:
            facts = replace(facts, last_line_at=last.stored_at, agent_ended=last.kind == AGENT_ENDED)
    told = judge(facts)
    return Explanation(
        task_id=task_id,
        status=facts.task.status.value,
        summary=told.summary,
        reasons=[
            Reason(code=reason.code, message=reason.message, unblock=reason.unblock, details=reason.details)
            for reason in told.reasons[: limits.PAGE_MAX]
        ],
        attempts=_counts(facts.task),
    )


def _counts(task: TaskState) -> AttemptCounts:
    return AttemptCounts(
        made=task.attempt,
        failures=task.failures,
        failures_left=max(0, task.max_attempts - task.failures),
        losses=task.losses,
        losses_left=max(0, task.max_losses - task.losses),
    )


def _gather(task_id: str, now: int) -> Callable[[Queries], Facts]:
    return lambda queries: _facts(queries, require_task(queries, task_id), now)


def _facts(queries: Queries, record: TaskRecord, now: int) -> Facts:
    state, spec = record.state, record.spec
    attempt = queries.attempt(spec.id, state.attempt) if state.attempt else None
    holds, rests = held_by_agent(queries.held_tasks()), resting(queries, now)
    failure = record.failure or {}
    needs = spec.requires.pinned_to(state.pinned_agent)
    was_cancelled = attempt is not None and attempt.outcome is AttemptOutcome.CANCELLED
    return Facts(
        task=state,
        title=spec.title,
        requires=spec.requires,
        now=now,
        upstreams=[
            Upstream(id=edge.other_id, title=edge.other_title, status=edge.other_status, on_failure=edge.on_failure)
            for edge in queries.upstreams(spec.id)
        ],
        agents=[
            _candidate(agent, holds, rests, now)
            for agent in queries.agents()
            if not gap(agent.profile, needs).runners_only  # servers, which are no agents for this
        ],
        started_at=attempt.started_at if attempt else None,
        claimed_at=attempt.claimed_at if attempt else None,
        finished_at=record.finished_at,
        last_agent=record.last_agent_id,
        failure_message=str(failure.get("message", "")),
        updated_at=record.updated_at,
        unserved_since=next((found.since for found in queries.unserved() if found.requires == needs), None),
        killed=killed_switches(queries),
        swarm=queries.record(SWARMS, needs.swarm_id) if needs.swarm_id else None,
        questions=[
            OpenQuestion(id=one.id, title=one.title, expires_at=one.expires_at, pauses=bool(one.pauses))
            for one in of_task(queries, spec.id)
            if one.is_open
        ],
        was_accepted=_was_accepted(queries, state),
        budgets=[rolled(one, now) for one in of_attempt(queries, spec, _agent_of(record))],
        failure_code=attempt.report.failure_code if attempt is not None else "",
        overlaps=overlaps_of(queries, record)[:NAMED_OVERLAPS],
        queued=_queued(queries, record),
        cancelled_at=attempt.ended_at if attempt is not None and was_cancelled else None,
    )


def _queued(queries: Queries, record: TaskRecord) -> Queued | None:
    """Where its result stands in the merge queue of its project."""
    entry = queries.record(QUEUE_ENTRIES, record.spec.id) if record.spec.project_id else None
    if entry is None:
        return None
    project, queue = require_queue(queries, entry.project_id)
    is_checked = entry.is_waiting and entry.task_id in checking(queue)
    return Queued(
        project=project.name,
        status=entry.status,
        queue=queue.status,
        position=position_of(queries, entry),
        halted=queue.halt_message,
        check_id=queue.check_task_id if is_checked else entry.check_task_id,
        followup_id=entry.followup_id,
        code=entry.code,
    )


def _agent_of(record: TaskRecord) -> str | None:
    """The agent whose budgets count, where only one may run it, or runs it."""
    return record.state.agent_id or record.state.pinned_agent or record.spec.requires.agent_id


def _was_accepted(queries: Queries, state: TaskState) -> bool:
    """Whether the agent that it waits for has accepted it."""
    offer = queries.record(TASK_OFFERS, state.id, state.pinned_agent) if state.pinned_agent else None
    return offer is not None and offer.status is OfferStatus.ACCEPTED


def _candidate(
    agent: AgentRecord, holds: Mapping[str, Sequence[TaskRecord]], rests: Mapping[str, AgentRest], now: int
) -> Candidate:
    held = holds.get(agent.profile.id, ())
    rest = views.rest_of(agent, rests)
    is_silent = agent.offline_at is not None or now - agent.last_seen_at > OVERDUE
    return Candidate(
        profile=agent.profile,
        name=agent.name,
        is_online=views.agent_status(agent, is_busy=bool(held), now=now) != "offline",
        slots=agent.slots,
        last_seen_at=agent.last_seen_at,
        silent_since=agent.last_seen_at if is_silent else None,
        said_goodbye=agent.offline_at is not None,
        stopped_by=agent.stopped_by if agent.is_stopped else "",
        holds=tuple((task.spec.id, task.spec.title) for task in held),
        rests_until=None if rest is None else rest.until,
        rests_for="" if rest is None else rest.reason,
    )
