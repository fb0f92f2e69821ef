"""What the routes of a swarm look up first: the swarm, a task of it, its agents."""

from agent_swarm.domain.errors import UnknownTask
from agent_swarm.domain.swarms import Swarm
from agent_swarm.protocol import rest_plugin as rest
from agent_swarm.services.agents import held_by_agent
from agent_swarm.services.plugin import views
from agent_swarm.store.base import Queries
from agent_swarm.store.families.archived_tasks import ARCHIVED_TASKS
from agent_swarm.store.families.swarms import swarm_named, unknown_swarm
from agent_swarm.store.records import AgentRecord, TaskRecord


def there(queries: Queries, named: str) -> Swarm:
    """The swarm with this id or name. Raises NotFound, also for one that was deleted."""
    found = swarm_named(queries, named)
    if found is None or not found.is_there:
        raise unknown_swarm(named)
    return found


def task_of(queries: Queries, swarm: Swarm, task_id: str) -> TaskRecord:
    """A task of this swarm. Raises UnknownTask for those of others."""
    record = queries.task(task_id)
    if record is None or record.spec.swarm_id != swarm.id:
        raise UnknownTask(task_id)
    return record


def shown_task(queries: Queries, record: TaskRecord) -> rest.PluginTask:
    """A task with what it waits for, and whether it was put aside."""
    upstreams = queries.upstreams(record.spec.id) if record.has_upstreams else ()
    archived = queries.record(ARCHIVED_TASKS, record.spec.id)
    return views.task(record, [edge.other_id for edge in upstreams], archived)


def shown_agents(queries: Queries, agents: list[AgentRecord], now: int) -> list[rest.PluginAgent]:
    """Agents with what they work on."""
    holds = held_by_agent(queries.held_tasks())
    return [views.agent(one, holds.get(one.profile.id, ()), now=now) for one in agents]
