"""Notes: stored, found again by their words, shown and removed.

An attempt sees the notes of its agent, of its task's project and swarm, and everybody's; people see all. Secrets are
taken out of what is stored, as out of transcripts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent_swarm.domain.errors import InvalidInput, NotFound
from agent_swarm.domain.fusion import fused
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.notes import NotePlace, NoteScope, NoteSearch, require_note
from agent_swarm.domain.time import to_wire
from agent_swarm.domain.words import Term, relevance, snippet, terms_of
from agent_swarm.protocol import rest_memory as rest
from agent_swarm.services import cursors
from agent_swarm.services.embedding.meaning import Meaning, Wanted
from agent_swarm.services.redaction import Redactor
from agent_swarm.services.standing import Standing, place_of, standing_of
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries, Store
from agent_swarm.store.families.notes import (
    NOTE_NAMES,
    NOTES,
    FoundNote,
    Note,
    NoteName,
    RemoveNote,
    StoreNote,
    number_of,
)
from agent_swarm.store.records import TokenKind

CANDIDATES = 200  # the newest notes that have all words, of which the best are shown
CANDIDATES_PER_WORD = 20  # the newest notes that have one word, where none has all
_SEARCH_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichNotes:
    """Which notes are meant; what is None does not matter."""

    query: str | None = None
    scope: NoteScope | None = None
    scope_id: str | None = None
    tag: str | None = None


class Memory:
    """The notes of one store; with `meaning` they are found by what they mean, too."""

    def __init__(self, store: Store, redactor: Redactor, meaning: Meaning | None = None) -> None:
        self._store = store
        self._redactor = redactor
        self.meaning = meaning

    async def put(self, wanted: rest.NoteInput, *, by: Identity) -> rest.Note:
        """Store a note, in the place of the one with its name.

        Raises InvalidInput, TooLarge, UnknownReference, and Denied for a place that is not the agent's.
        """
        is_attempt = by.kind is TokenKind.ATTEMPT
        scope = wanted.scope or (NoteScope.AGENT if is_attempt else NoteScope.SWARM)
        if wanted.scope is None and wanted.scope_id is not None:
            raise _without_scope()
        note_id = new_id()
        name = self._redactor.text(wanted.name) if wanted.name else f"note {note_id}"
        text = self._redactor.text(wanted.text)
        tags = tuple(dict.fromkeys(self._redactor.text(tag) for tag in wanted.tags))
        require_note(name, tags, text)
        place = await self._store.read(lambda queries: place_of(queries, by, scope, wanted.scope_id))
        note = Note(number=0, id=note_id, scope=place.scope, scope_id=place.id, name=name, text=text, tags=tags)
        return _whole(await self._store.apply(StoreNote(note=note, actor=by.actor)))

    async def get(self, note_id: str, *, by: Identity) -> rest.Note:
        """One note. Raises NotFound, also for one that the caller may not see."""
        return _whole(await self._store.read(lambda queries: _visible(queries, note_id, by)))

    async def remove(self, note_id: str, *, by: Identity) -> rest.Note:
        """Remove a note. Raises NotFound, and Denied for an agent that neither owns it nor wrote it."""
        found = await self._store.read(lambda queries: _visible(queries, note_id, by))
        is_own = by.agent_id is not None and found.place == NotePlace(NoteScope.AGENT, by.agent_id)
        author_only = by.kind is TokenKind.ATTEMPT and not is_own
        return _whole(await self._store.apply(RemoveNote(note=found, actor=by.actor, author_only=author_only)))

    async def find(self, which: WhichNotes, *, cursor: str | None, limit: int, by: Identity) -> rest.NoteList:
        """What a query finds, best first; without one, a page of the notes by place and name.

        Raises InvalidInput, UnknownReference, and Denied for a place that is not the agent's.
        """
        if which.scope_id is not None and which.scope is None:
            raise _without_scope()
        if which.query or which.tag:
            if cursor is not None:
                raise InvalidInput(
                    "what a query finds has no further page", hint="ask with more words", details={"field": "cursor"}
                )
            await self._store.read(lambda queries: _places(queries, which, by))  # before a model hears of it
            wanted = await self._wanted(which.query)
            return await self._store.read(lambda queries: self._search(queries, which, wanted, by, limit))
        after = cursors.read_entry(cursor)
        return await self._store.read(lambda queries: _page(queries, _places(queries, which, by), after, limit))

    async def _wanted(self, query: str | None) -> Wanted | None:
        return await self.meaning.of_query(self._redactor.text(query)) if self.meaning and query else None

    def _search(
        self, queries: Queries, which: WhichNotes, wanted: Wanted | None, by: Identity, limit: int
    ) -> rest.NoteList:
        places = _places(queries, which, by)
        near = self.meaning.found(queries, wanted, places) if self.meaning and wanted else []
        return _found(queries, which, places, near, min(limit, _SEARCH_MAX))


def _places(queries: Queries, which: WhichNotes, by: Identity) -> tuple[NotePlace, ...] | None:
    """The places to look in; None for all."""
    standing = standing_of(queries, by)
    if which.scope is None:
        return standing.places
    is_any = which.scope_id is None and which.scope is not NoteScope.SWARM and standing.places is None
    if is_any:
        raise InvalidInput(
            f"scopeId is missing: which {which.scope} is it?",
            hint="name it, or leave `scope` out to look everywhere",
            details={"field": "scopeId"},
        )
    if standing.places is not None and which.scope_id is None:
        return tuple(place for place in standing.places if place.scope is which.scope)
    return (place_of(queries, by, which.scope, which.scope_id),)


def _found(
    queries: Queries, which: WhichNotes, places: tuple[NotePlace, ...] | None, near: Sequence[int], limit: int
) -> rest.NoteList:
    """What has the words of the query, and what means the same (`near`): what is both comes first."""
    terms = terms_of(which.query or "")
    has_all, by_words = _by_words(queries, which, places, terms)
    best = fused((note.number for note in ranked(by_words, terms)), near)
    notes = [note for number in best[: limit + len(near)] if (note := queries.record(NOTES, number)) is not None]
    shown = [_in_list(note, terms) for note in notes if not which.tag or which.tag in note.tags]
    matched: Literal["all", "any", "meaning"] = "meaning" if shown and not by_words else "all" if has_all else "any"
    return rest.NoteList(notes=shown[:limit], matched=matched, next_cursor=None)


def _by_words(
    queries: Queries, which: WhichNotes, places: tuple[NotePlace, ...] | None, terms: Sequence[Term]
) -> tuple[bool, list[FoundNote]]:
    """Whether the notes have all words, and the notes: where none has all, those that have one."""
    if places == () or (which.query and not terms):
        return True, []
    tag = which.tag or ""
    found = queries.search_notes(NoteSearch(places=places, terms=tuple(terms), tag=tag), limit=CANDIDATES)
    if found or len(terms) < 2:
        return True, found
    by_number = {
        note.number: note
        for term in terms
        for note in queries.search_notes(NoteSearch(places=places, terms=(term,), tag=tag), limit=CANDIDATES_PER_WORD)
    }
    return False, list(by_number.values())


def ranked(found: Sequence[FoundNote], terms: Sequence[Term]) -> list[FoundNote]:
    """The notes, the one that answers most of the query first; of equals the one changed last. Pure."""

    def place(note: FoundNote) -> tuple[int, int, int]:
        words = frozenset(note.words.split(" "))
        return -relevance(terms, name=note.name, tags=note.tags, words=words), -note.updated_at, -note.number

    return sorted(found, key=place)


def _page(
    queries: Queries, places: tuple[NotePlace, ...] | None, after: tuple[str, str, str] | None, limit: int
) -> rest.NoteList:
    if places is None:
        names = queries.scan(NOTE_NAMES, after=after, limit=limit + 1)
    else:
        names = _names_of(queries, sorted(places, key=lambda place: (place.scope, place.id)), after, limit + 1)
    shown, following = cursors.page(names, limit, lambda one: cursors.after_entry(one.scope, one.scope_id, one.name))
    notes = [queries.record(NOTES, one.number) for one in shown]
    return rest.NoteList(
        notes=[_in_list(note, ()) for note in notes if note is not None], matched="all", next_cursor=following
    )


def _names_of(
    queries: Queries, places: Sequence[NotePlace], after: tuple[str, str, str] | None, limit: int
) -> list[NoteName]:
    names: list[NoteName] = []
    for place in places:
        where = (place.scope.value, place.id)
        if after is not None and where < after[:2]:
            continue
        rest_of = (after[2],) if after is not None and where == after[:2] else None
        names += queries.scan(NOTE_NAMES, place.scope, place.id, after=rest_of, limit=limit - len(names))
        if len(names) >= limit:
            break
    return names


def _visible(queries: Queries, note_id: str, by: Identity) -> Note:
    known = normalize_id(note_id)
    found = queries.record(NOTES, number_of(known)) if known else None
    standing: Standing = standing_of(queries, by)
    is_seen = found is not None and (standing.places is None or found.place in standing.places)
    if found is None or found.id != known or not is_seen:
        raise NotFound(f"no note has the id {note_id!r}", hint="see: agent-swarm memory list")
    return found


def _without_scope() -> InvalidInput:
    return InvalidInput(
        "`scopeId` says nothing without `scope`",
        hint="name the scope: agent, project or swarm",
        details={"field": "scope"},
    )


def _head(note: Note) -> dict[str, object]:
    return {
        "id": note.id,
        "scope": note.scope,
        "scope_id": note.scope_id,
        "name": note.name,
        "tags": list(note.tags),
        "created_at": to_wire(note.created_at),
        "created_by": note.created_by,
        "updated_at": to_wire(note.updated_at),
        "updated_by": note.updated_by,
    }


def _whole(note: Note) -> rest.Note:
    return rest.Note.model_validate({**_head(note), "text": note.text})


def _in_list(note: Note, terms: Sequence[Term]) -> rest.FoundNote:
    return rest.FoundNote.model_validate({**_head(note), "snippet": snippet(note.text, terms)})
