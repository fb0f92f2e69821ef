"""What an agent is asked to do that is woken for messages, and which agents are to be."""

from dataclasses import dataclass

from agent_swarm.domain.budgets import RootCaps
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.matching import Requirements
from agent_swarm.protocol.limits import TITLE_CHARS
from agent_swarm.services.task_budgets import root_budgets
from agent_swarm.store.base import Queries
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.mail import CALLS, TRAY, TRAYS, Call
from agent_swarm.store.operations import NewTask, OpenConversation
from agent_swarm.store.records import AgentRecord, TaskSpec

LABEL = "conversation"
PAGE = 200

# Lines of comment: harmless to an agent whose prompt is a program.
PROMPT = """\
# Messages have come for you while you had nothing to do. They stand below this task; where they do not, read them
# with GET /api/messages?unread=true of the server (AGENT_SWARM_URL, AGENT_SWARM_TOKEN). Answer what needs an answer
# with POST /api/messages, {"replyTo": ID, "text": TEXT}, and do what is yours to do. Then end: you are woken again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A page of those who are called: whom to wake now, where the next page begins, and whether there is anybody."""

    idle: list[AgentRecord]
    following: str | None
    has_any: bool


def called(queries: Queries, *, after: str | None = None) -> Called:
    """Who is to be woken now: idle, without such a task, and with messages that nobody was woken for."""
    calls = queries.scan(CALLS, after=None if after is None else (after,), limit=PAGE)
    tasks = {task.spec.id: task.state for task in queries.tasks([one.task_id for one in calls if one.task_id])}
    idle = [one for one in calls if one.task_id not in tasks or tasks[one.task_id].is_terminal]
    new = [
        one for one in idle if not one.is_answered_by(queries.scan(TRAYS, _tray(one), after=(one.up_to,), limit=TRAY))
    ]
    agents = [agent for one in new if (agent := queries.agent(one.agent_id)) and not queries.held_tasks(one.agent_id)]
    return Called(idle=agents, following=calls[-1].agent_id if len(calls) == PAGE else None, has_any=bool(calls))


def _tray(call: Call) -> str:
    return f"agent:{call.agent_id}"


def conversation(agent: AgentRecord, caps: RootCaps) -> OpenConversation:
    """The operation that wakes an agent by a root task, which `caps` are for."""
    title = f"Messages for {agent.name}"[:TITLE_CHARS]
    spec = TaskSpec(
        id=new_id(),
        title=title,
        prompt=PROMPT,
        requires=Requirements(agent_id=agent.profile.id),
        labels=(LABEL,),
        created_by=SYSTEM,
    )
    return OpenConversation(agent_id=agent.profile.id, task=NewTask(spec=spec, budgets=root_budgets(spec.id, caps)))
