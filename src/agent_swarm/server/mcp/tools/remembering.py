"""Notes: what agents leave for later, and find again by words."""

from typing import Annotated, Any

from pydantic import Field

from agent_swarm.domain.notes import QUERY_CHARS, TAG_CHARS, NoteScope
from agent_swarm.protocol import rest, rest_memory
from agent_swarm.server.access import operators_and_attempts
from agent_swarm.server.context import Context
from agent_swarm.server.mcp.catalogue import Caller, Tool
from agent_swarm.server.mcp.tools.arguments import Cursor, Limit
from agent_swarm.services.memory import WhichNotes
from agent_swarm.services.tokens import Scope

PAGE = 10  # a model reads every word of it


class SearchNotes(rest.Input):
    """Arguments of memory-search."""

    query: (
        Annotated[rest.Text, Field(max_length=QUERY_CHARS, description="plain words; without them all notes by name")]
        | None
    ) = None
    scope: NoteScope | None = None
    scope_id: rest.Label | None = None
    tag: Annotated[rest.Text, Field(max_length=TAG_CHARS)] | None = None
    limit: Limit = PAGE
    cursor: Cursor | None = None


class OfNote(rest.Input):
    """A tool about one note."""

    note_id: rest.Id


class RememberingTools:
    """Parses, calls `services.memory`, renders."""

    def __init__(self, context: Context) -> None:
        self._memory = context.memory

    async def store(self, asked: rest_memory.NoteInput, caller: Caller) -> dict[str, Any]:
        """Keep a note."""
        note = await self._memory.put(asked, by=caller.identity)
        return note.model_dump(mode="json", by_alias=True, exclude={"text"})

    async def search(self, asked: SearchNotes, caller: Caller) -> rest_memory.NoteList:
        """What the words find, best first."""
        which = WhichNotes(query=asked.query, scope=asked.scope, scope_id=asked.scope_id, tag=asked.tag)
        return await self._memory.find(which, cursor=asked.cursor, limit=asked.limit, by=caller.identity)

    async def get(self, asked: OfNote, caller: Caller) -> rest_memory.Note:
        """One note, whole."""
        return await self._memory.get(asked.note_id, by=caller.identity)

    async def delete(self, asked: OfNote, caller: Caller) -> dict[str, Any]:
        """Forget a note."""
        note = await self._memory.remove(asked.note_id, by=caller.identity)
        return {"deleted": note.id, "name": note.name}


def tools(context: Context) -> list[Tool]:
    """The table."""
    face = RememberingTools(context)
    reading = operators_and_attempts(Scope.MEMORY_READ, Scope.OWN_MEMORY)
    writing = operators_and_attempts(Scope.MEMORY_WRITE, Scope.OWN_MEMORY)
    return [
        Tool(
            name="memory-store",
            description=(
                "Keep a note for later tasks: yours (scope agent, the default), your project's, or the swarm's. One "
                "of the same name is replaced."
            ),
            takes=rest_memory.NoteInput,
            access=writing,
            call=face.store,
        ),
        Tool(
            name="memory-search",
            description="Find notes by words; answers pieces of them. Look here before you work something out anew.",
            takes=SearchNotes,
            access=reading,
            call=face.search,
            is_reading=True,
        ),
        Tool(
            name="memory-get",
            description="A note, whole.",
            takes=OfNote,
            access=reading,
            call=face.get,
            is_reading=True,
        ),
        Tool(
            name="memory-delete",
            description="Forget a note.",
            takes=OfNote,
            access=writing,
            call=face.delete,
        ),
    ]
