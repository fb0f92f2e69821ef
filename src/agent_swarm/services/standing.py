"""Where whoever asks stands: which agent, task, project and swarm are its own, and what it means by a place.

An attempt acts as its agent on its task, and never as another: that comes from its token, not from what it says.
"""

from dataclasses import dataclass

from agent_swarm.domain.errors import Denied, InvalidInput, UnknownReference
from agent_swarm.domain.ids import normalize_id
from agent_swarm.domain.notes import THE_SWARM, NotePlace, NoteScope
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.swarms import living_swarm, swarm_named
from agent_swarm.store.records import TokenKind


@dataclass(frozen=True, slots=True)
class Standing:
    """The places that an attempt sees; None for people, who see all."""

    places: tuple[NotePlace, ...] | None

    def require(self, place: NotePlace) -> NotePlace:
        """The place, where it is one of its own. Raises Denied."""
        if self.places is not None and place not in self.places:
            raise Denied(
                f"{place.scope} {place.id!r} is not yours to see",
                hint="an agent has its own notes, those of its task's project and swarm, and those of everybody",
                details={"scope": place.scope.value},
            )
        return place


def standing_of(queries: Queries, by: Identity) -> Standing:
    """What `by` sees of what is kept for agents, projects and the swarm."""
    if by.kind is not TokenKind.ATTEMPT:
        return Standing(None)
    assert by.agent_id is not None and by.task_id is not None
    task = queries.task(by.task_id)
    project_id = task.spec.project_id if task is not None else None
    projects = (NotePlace(NoteScope.PROJECT, project_id),) if project_id else ()
    swarms = (NotePlace(NoteScope.SWARM, by.swarm_id),) if by.swarm_id else ()
    return Standing(
        (NotePlace(NoteScope.AGENT, by.agent_id), *projects, *swarms, NotePlace(NoteScope.SWARM, THE_SWARM)),
    )


def place_of(queries: Queries, by: Identity, scope: NoteScope, named: str | None) -> NotePlace:
    """The place that is meant, an attempt's own where none is named. Raises Denied, InvalidInput, UnknownReference."""
    standing = standing_of(queries, by)
    if scope is NoteScope.SWARM:
        return standing.require(_swarm(queries, by, named))
    if named is None:
        return _own(standing, scope)
    if scope is NoteScope.AGENT:
        agent_id = normalize_id(named)
        if agent_id is None:
            raise _invalid(f"scopeId: {named!r} is not an AGENT_ID", "see: agent-swarm agent list")
        return standing.require(NotePlace(scope, agent_id))
    project = queries.project(normalize_id(named) or named)
    if project is None:
        raise UnknownReference(f"no project has the id or name {named!r}", hint="see: agent-swarm repo list")
    return standing.require(NotePlace(scope, project.id))


def _swarm(queries: Queries, by: Identity, named: str | None) -> NotePlace:
    """That of its task, where none is named and it has one; else the one that is everybody's."""
    wanted = named if named is not None else by.swarm_id
    if by.kind is TokenKind.ATTEMPT and wanted not in (None, THE_SWARM):
        found = swarm_named(queries, str(wanted))
        is_own = found is not None and found.id == by.swarm_id
        return NotePlace(NoteScope.SWARM, str(by.swarm_id if is_own else wanted))  # another is refused, there or not
    return NotePlace(NoteScope.SWARM, swarm_place(queries, wanted))


def swarm_place(queries: Queries, named: str | None, *, field: str = "scopeId") -> str:
    """Where something is kept for a swarm: its id, or `default` for everybody. Raises UnknownReference."""
    return THE_SWARM if named in (None, THE_SWARM) else living_swarm(queries, str(named), field=field).id


def _own(standing: Standing, scope: NoteScope) -> NotePlace:
    own = next((place for place in standing.places or () if place.scope is scope), None)
    if own is not None:
        return own
    if standing.places is None:
        raise _invalid(f"scopeId is missing: which {scope} is it?", f"name the {scope} with `scopeId`")
    raise _invalid(f"your task belongs to no {scope}", "leave `scope` out, or use agent or swarm")


def _invalid(message: str, hint: str) -> InvalidInput:
    return InvalidInput(message, hint=hint, details={"field": "scopeId"})
