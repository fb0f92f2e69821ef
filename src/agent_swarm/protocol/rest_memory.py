"""The REST shapes of notes."""

from typing import Annotated, Literal

from pydantic import Field

from agent_swarm.domain.notes import NAME_CHARS, TAG_CHARS, TAGS, NoteScope
from agent_swarm.protocol import limits
from agent_swarm.protocol.rest import Input, Label, Output, Text, at_most

NoteTag = Annotated[Text, Field(min_length=1, max_length=TAG_CHARS, pattern=r"^[^\s,]+$")]


class NoteInput(Input):
    """Body of `POST /api/memory`. A note takes the place of the one with its name; without a name it gets one.

    Without `scope` an agent's note is its own, and one of a person the swarm's. `text` may have 256 KiB of UTF-8.
    """

    text: Annotated[Text, Field(min_length=1)]
    name: Annotated[Text, Field(min_length=1, max_length=NAME_CHARS)] | None = None
    tags: Annotated[list[NoteTag], Field(default_factory=list, max_length=TAGS)]
    scope: NoteScope | None = None
    scope_id: Label | None = None  # of a project or a swarm the id or the name, of an agent its AGENT_ID


class NoteHead(Output):
    """A note without its text."""

    id: str
    scope: NoteScope
    scope_id: str
    name: str
    tags: Annotated[list[str], at_most(TAGS)]
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


class Note(NoteHead):
    """A note."""

    text: str


class FoundNote(NoteHead):
    """A note in a list; `snippet` is a piece of its text, around what was looked for."""

    snippet: str


class NoteList(Output):
    """Some notes. `matched` says whether they have `all` words of the query, some of them (`any`), or no word of it.

    The last is `meaning`: an embedding model found them alike, as it may have found some of the others.

    What a query finds is best first and has no further page; without one the list runs by place and name.
    """

    notes: Annotated[list[FoundNote], at_most(limits.PAGE_MAX)]
    matched: Literal["all", "any", "meaning"]
    next_cursor: str | None
