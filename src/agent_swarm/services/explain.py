"""Why a task waits: one reading gathers the facts, `domain.explain` judges them."""

from collections.abc import Callable, Mapping, Sequence

from agent_swarm.domain.explain import Candidate, Facts, Upstream
from agent_swarm.domain.explain import explain as judge
from agent_swarm.protocol import limits, rest
from agent_swarm.services import views
from agent_swarm.services.agents import held_by_agent
from agent_swarm.services.readings import require_task
from agent_swarm.store.base import Queries
from agent_swarm.store.records import AgentRecord, TaskRecord


def explain(task_id: str, *, now: int) -> Callable[[Queries], rest.Explanation]:
    """A reading: what keeps a task from running and what would unblock it (rule T10)."""

    def reading(queries: Queries) -> rest.Explanation:
        facts = _facts(queries, require_task(queries, task_id), now)
        told = judge(facts)
        return rest.Explanation(
            task_id=task_id,
            status=facts.task.status.value,
            summary=told.summary,
            reasons=[
                rest.Reason(code=reason.code, message=reason.message, unblock=reason.unblock, details=reason.details)
                for reason in told.reasons[: limits.PAGE_MAX]
            ],
        )

    return reading


def _facts(queries: Queries, record: TaskRecord, now: int) -> Facts:
    state = record.state
    attempt = queries.attempt(record.spec.id, state.attempt) if state.attempt else None
    holds = held_by_agent(queries.held_tasks())
    failure = record.failure or {}
    return Facts(
        task=state,
        title=record.spec.title,
        requires=record.spec.requires,
        now=now,
        upstreams=[
            Upstream(id=edge.other_id, title=edge.other_title, status=edge.other_status, on_failure=edge.on_failure)
            for edge in queries.upstreams(record.spec.id)
        ],
        agents=[_candidate(agent, holds, now) for agent in queries.agents()],
        started_at=attempt.started_at if attempt else None,
        claimed_at=attempt.claimed_at if attempt else None,
        finished_at=record.finished_at,
        last_agent=record.last_agent_id,
        failure_message=str(failure.get("message", "")),
    )


def _candidate(agent: AgentRecord, holds: Mapping[str, Sequence[TaskRecord]], now: int) -> Candidate:
    held = holds.get(agent.profile.id, ())
    return Candidate(
        profile=agent.profile,
        name=agent.name,
        is_online=views.agent_status(agent, is_busy=bool(held), now=now) != "offline",
        slots=agent.slots,
        holds=tuple((task.spec.id, task.spec.title) for task in held),
    )
