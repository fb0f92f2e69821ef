"""`/api/memory`: notes that agents and people leave, and find again by their words."""

from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.routing import BaseRoute

from agent_swarm.domain.notes import QUERY_CHARS, TAG_CHARS, NoteScope
from agent_swarm.protocol import limits, rest, rest_memory
from agent_swarm.server import params
from agent_swarm.server.access import identity_of, operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.fastroute import route
from agent_swarm.server.problems import shown
from agent_swarm.services.memory import Memory, WhichNotes
from agent_swarm.services.tokens import Scope

WordsQuery = Annotated[
    rest.Text | None,
    Query(max_length=QUERY_CHARS, description="plain words; what has all of them is found, else what has some"),
]
ScopeQuery = Annotated[NoteScope | None, Query()]
PlaceQuery = Annotated[
    rest.Text | None,
    Query(alias="scopeId", max_length=limits.LABEL_CHARS, description="only together with `scope`"),
]
TagQuery = Annotated[rest.Text | None, Query(max_length=TAG_CHARS)]


class MemoryRoutes:
    """Parses, calls `services.memory`, renders."""

    def __init__(self, context: Context) -> None:
        self._memory: Memory = context.memory

    async def store_note(self, request: Request, body: rest_memory.NoteInput) -> rest_memory.Note:
        """Store a note, in the place of the one with its name."""
        return await self._memory.put(body, by=identity_of(request))

    async def find_notes(
        self,
        request: Request,
        query: WordsQuery = None,
        scope: ScopeQuery = None,
        scope_id: PlaceQuery = None,
        tag: TagQuery = None,
        limit: params.Limit = limits.PAGE_DEFAULT,
        cursor: params.Cursor = None,
    ) -> rest_memory.NoteList:
        """What a query finds, best first and at most 50; without one, all notes by place and name."""
        which = WhichNotes(query=query, scope=scope, scope_id=scope_id, tag=tag)
        return await self._memory.find(which, cursor=cursor, limit=limit, by=identity_of(request))

    async def get_note(self, request: Request, id: params.PathId) -> rest_memory.Note:
        """One note."""
        return await self._memory.get(shown(id, limit=64), by=identity_of(request))

    async def remove_note(self, request: Request, id: params.PathId) -> rest_memory.Note:
        """Remove a note; answers what it was."""
        return await self._memory.remove(shown(id, limit=64), by=identity_of(request))


def routes(context: Context) -> list[BaseRoute]:
    """The table."""
    face = MemoryRoutes(context)
    reading = operators_and_attempts(Scope.MEMORY_READ, Scope.OWN_MEMORY)
    writing = operators_and_attempts(Scope.MEMORY_WRITE, Scope.OWN_MEMORY)
    note, page = rest_memory.Note, rest_memory.NoteList
    return [
        route("POST", "/api/memory", face.store_note, answers=note, access=writing, conflicts=True),
        route("GET", "/api/memory", face.find_notes, answers=page, access=reading),
        route("GET", "/api/memory/{id}", face.get_note, answers=note, access=reading),
        route("DELETE", "/api/memory/{id}", face.remove_note, answers=note, access=writing),
    ]
