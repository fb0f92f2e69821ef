"""Foreign swarms, who is in them and what was said there, as operations: what is stored stays as it is."""

import re
from collections.abc import Mapping, Sequence

from agent_swarm.domain import swarms as domain
from agent_swarm.domain.errors import InvalidInput, TooLarge
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.messages import MessageKind, require_text
from agent_swarm.domain.time import from_wire
from agent_swarm.importing.foreign import Foreign, ForeignMessage, ForeignSwarm
from agent_swarm.importing.plan import ACTOR, Plan
from agent_swarm.protocol import limits
from agent_swarm.redaction import Redactor
from agent_swarm.store.base import Queries
from agent_swarm.store.events import SYSTEM
from agent_swarm.store.families.channels import CreateChannel
from agent_swarm.store.families.mail import CHANNELS, MESSAGES, Channel, Message
from agent_swarm.store.families.posting import PostMessage
from agent_swarm.store.families.swarms import SWARM_NAMES, SWARMS
from agent_swarm.store.operations import CreateSwarm, SetSwarmMember

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def plan_swarms(
    plan: Plan, foreign: Foreign, projects: Mapping[str, str | None], queries: Queries
) -> dict[str, str | None]:
    """Add those that are not here yet, with their agents; answers the id of each here, None where it cannot be."""
    found: dict[str, str | None] = {}
    fresh: set[str] = set()
    names: set[str] = set()
    for swarm in foreign.swarms:
        known = queries.record(SWARMS, swarm.id)
        if known is not None:
            plan.unchanged["swarms"] += 1
            found[swarm.id] = swarm.id if known.is_there else None
            continue
        operation = _creation(plan, swarm, projects, names, queries)
        found[swarm.id] = None if operation is None else swarm.id
        if operation is not None:
            plan.operations.append(operation)
            plan.new["swarms"] += 1
            names.add(operation.name)
            fresh.add(swarm.id)
    _plan_members(plan, foreign, found, fresh, queries)
    return found


def _creation(
    plan: Plan, swarm: ForeignSwarm, projects: Mapping[str, str | None], names: set[str], queries: Queries
) -> CreateSwarm | None:
    name = _NOT_IN_NAMES.sub("-", swarm.name).strip("-._")[: domain.NAME_CHARS]
    reason = ""
    try:
        domain.require_name(name)
    except InvalidInput:
        reason = f"{swarm.name!r} cannot be the name of a swarm"
    if name in names or queries.record(SWARM_NAMES, name) is not None:
        reason = f"{name!r} is the name of another swarm: give one of the two another name"
    project = projects.get(swarm.project_id) if swarm.project_id else None
    if reason:
        plan.refuse("swarms", swarm.source_id, reason, name=swarm.name, project=swarm.project_id)
        return None
    if swarm.project_id and project is None:
        plan.notes.append(f"swarm {swarm.name!r} has no project here: it is not there, or cannot be imported")
    if name != swarm.name:
        plan.notes.append(f"swarm {swarm.name!r} is called {name!r} here")
    return CreateSwarm(name=name, project_id=project, swarm_id=swarm.id, actor=ACTOR)


def _plan_members(
    plan: Plan, foreign: Foreign, swarms: Mapping[str, str | None], fresh: set[str], queries: Queries
) -> None:
    """Agents join where they or the swarm are new: who has been put elsewhere since stays there."""
    for agent in foreign.agents:
        swarm_id = swarms.get(agent.swarm_id or "")
        known = queries.agent(agent.id)
        if swarm_id is None or (known is not None and (swarm_id not in fresh or known.profile.swarm_id is not None)):
            continue
        plan.operations.append(SetSwarmMember(swarm_id=swarm_id, agent_id=agent.id, joins=True, actor=ACTOR))


def plan_messages(plan: Plan, foreign: Foreign, swarms: Mapping[str, str | None], queries: Queries) -> None:
    """Add what was said and is not here yet, in its order; nobody is told of it or woken for it."""
    redactor = Redactor()
    names = {swarm.id: swarm.name for swarm in foreign.swarms}
    opened: set[str] = set()
    for message in _in_order(foreign.messages):
        if queries.record(MESSAGES, message.id) is not None:
            plan.unchanged["messages"] += 1
            continue
        text = redactor.text(f"[{message.at}] {message.text}" if message.at else message.text)
        if reason := _problem_of(text, message, swarms):
            plan.refuse("messages", message.source_id, reason, sender=message.sender_name, at=message.at, text=text)
            continue
        if message.swarm_id not in opened and queries.record(CHANNELS, message.swarm_id) is None:
            described = f"swarm {names[message.swarm_id]}"
            channel = Channel(name=message.swarm_id, id=new_id(), description=described, created_by=SYSTEM)
            plan.operations.append(CreateChannel(channel=channel))
        opened.add(message.swarm_id)
        plan.operations.append(PostMessage(message=_message(message, text), addressees=(), most_hops=0))
        plan.new["messages"] += 1


def _in_order(messages: Sequence[ForeignMessage]) -> list[ForeignMessage]:
    """By time; one without a time comes after the one before it."""
    timed: list[tuple[int, ForeignMessage]] = []
    for message in messages:
        before = timed[-1][0] if timed else 0
        timed.append((_instant(message.at, before), message))
    return [message for _, message in sorted(timed, key=lambda one: one[0])]


def _instant(at: str, otherwise: int) -> int:
    try:
        return from_wire(at)
    except (ValueError, OverflowError):
        return otherwise


def _problem_of(text: str, message: ForeignMessage, swarms: Mapping[str, str | None]) -> str:
    if swarms.get(message.swarm_id) is None:
        return "its swarm cannot be imported"
    try:
        require_text(text)
    except (InvalidInput, TooLarge) as exc:
        return exc.message
    return ""


def _message(message: ForeignMessage, text: str) -> Message:
    """The import says it, in the name of who said it: nobody here has seen to it who that was."""
    return Message(
        id=message.id,
        kind=MessageKind.CHANNEL,
        sender=ACTOR,
        sender_name=message.sender_name[: limits.LABEL_CHARS],
        channel=message.swarm_id,
        text=text,
    )
