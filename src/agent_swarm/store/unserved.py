"""The operation that finds the requirement classes nobody serves, and tells of each once.

Everything it decides on is read in the batch, the row of each class under its lock: of several servers that ask in the
same moment, the second sees what the first has told.
"""

from collections.abc import Iterable

from agent_swarm.domain.matching import AgentProfile, Requirements
from agent_swarm.domain.unserved import is_served, next_wait
from agent_swarm.store.events import Draft, no_eligible_agent
from agent_swarm.store.operations import FindUnserved
from agent_swarm.store.rows import Rows

COUNTED = 1_000  # tasks of a class; where there are more, that is what is told


def find(rows: Rows, op: FindUnserved, now: int) -> tuple[int, list[Draft]]:
    """How many classes nobody serves, and the events of those whose patience is over."""
    classes = rows.classes_that_wait()
    if not classes:
        return 0, []
    online_since = now - op.silence
    kinds = rows.kinds_online(online_since)
    addressed = _addressed(rows, (found.requires for found in classes), online_since)
    unserved, drafts = 0, []
    for found in classes:
        served = is_served(found.requires, kinds, addressed.get(found.requires.agent_id or ""))
        wait, is_news = next_wait(
            found.wait, has_tasks=found.has_tasks, is_served=served, now=now, patience=op.patience
        )
        if wait != found.wait:
            rows.save_wait(found.class_id, wait)
        if is_news and wait.since is not None:
            waiting = rows.ready_tasks(found.class_id, COUNTED)  # the first one stands for all of them
            told = no_eligible_agent(waiting[0], found.requires, since=wait.since, tasks=len(waiting))
            drafts.append(told)
        unserved += wait.since is not None
    return unserved, drafts


def _addressed(rows: Rows, needs: Iterable[Requirements], online_since: int) -> dict[str, AgentProfile]:
    named = {need.agent_id for need in needs if need.agent_id is not None}
    rows.prefetch(agents=named)
    agents = [agent for agent_id in named if (agent := rows.agent(agent_id)) is not None]
    return {
        agent.profile.id: agent.profile
        for agent in agents
        if agent.offline_at is None and not agent.is_stopped and agent.last_seen_at >= online_since
    }
