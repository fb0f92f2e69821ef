"""Notes, and their names: a note is found by its number, its place and name, or the words in it.

The database keeps the index of words by itself, in the transaction of whoever writes a note (`store/sql/searching`).
"""

from dataclasses import dataclass, replace

from agent_swarm.domain.errors import Conflict, Denied, NotFound
from agent_swarm.domain.notes import NotePlace, NoteScope, indexed_words, require_note
from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

_RANDOM_BITS = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text under a name. `number` grows with time, `words` is what it is found by."""

    number: int
    id: str
    scope: NoteScope
    scope_id: str
    name: str
    text: str
    tags: tuple[str, ...]
    words: str = ""
    created_at: int = 0
    created_by: str = ""
    updated_at: int = 0
    updated_by: str = ""

    @property
    def place(self) -> NotePlace:
        """Where it is kept."""
        return NotePlace(self.scope, self.scope_id)

    @property
    def key(self) -> str:
        """What operations on it are told apart by: its place and name."""
        return f"note:{self.place.mark}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteName:
    """Which note has a name."""

    scope: NoteScope
    scope_id: str
    name: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNote:
    """What a search answers of a note, without its text."""

    number: int
    name: str
    tags: tuple[str, ...]
    words: str
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteVector:
    """What a note means to an embedding model. `rank` is minus its number: a place lists its newest first."""

    scope: NoteScope
    scope_id: str
    rank: int
    model: str
    vector: str  # base64; empty where the model found no direction in the text


NOTES = Family("note", Note, key=("number",))
NOTE_NAMES = Family("note_name", NoteName, key=("scope", "scope_id", "name"))
NOTE_VECTORS = Family("note_vector", NoteVector, key=("scope", "scope_id", "rank"))


def number_of(note_id: str) -> int:
    """The number of a note, by its id: 42 bits of its milliseconds, 21 random ones. Fits 63 bits until 2109."""
    value = int(note_id.replace("-", ""), 16)
    return ((value >> 80) & ((1 << 42) - 1)) << _RANDOM_BITS | value & ((1 << _RANDOM_BITS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNote(RecordOperation[Note]):
    """Store a note, in the place of the one with its name; that keeps its id, and who made it when.

    The same once more changes nothing and is no event.
    """

    note: Note
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.note.key,)

    def carry_out(self, desk: Desk) -> Note:
        """Sizes are judged again, and the words are made here: this is the last way in."""
        note = self.note
        require_note(note.name, note.tags, note.text)
        named = desk.get(NOTE_NAMES, note.scope, note.scope_id, note.name)
        old = None if named is None else desk.get(NOTES, named.number)
        if old is not None and (old.text, old.tags) == (note.text, note.tags):
            return old
        words = indexed_words(note.place, name=note.name, tags=note.tags, text=note.text)
        put = replace(note, words=words, updated_at=desk.now, updated_by=self.actor)
        if old is None:
            put = replace(put, number=number_of(note.id), created_at=desk.now, created_by=self.actor)
            if desk.get(NOTES, put.number) is not None:  # the same millisecond, and the same of two million draws
                raise Conflict("another note was stored in the same moment", hint="store it again")
            desk.put(NOTE_NAMES, NoteName(scope=put.scope, scope_id=put.scope_id, name=put.name, number=put.number))
        else:
            put = replace(put, number=old.number, id=old.id, created_at=old.created_at, created_by=old.created_by)
            desk.remove(NOTE_VECTORS, old.scope, old.scope_id, -old.number)  # it means something else now
        desk.put(NOTES, put)
        desk.say(_told("memory.stored", self.actor, put, isNew=old is None))
        return put


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNote(RecordOperation[Note]):
    """Remove a note; answers what it was. Raises NotFound; Denied where only its `author` may remove it."""

    note: Note  # as it was read
    actor: str
    author_only: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.note.key,)

    def carry_out(self, desk: Desk) -> Note:
        """Both of it go: the note and its name."""
        found = desk.get(NOTES, self.note.number)
        if found is None or found.id != self.note.id:
            raise NotFound(f"no note has the id {self.note.id!r}", hint="see: agent-swarm memory list")
        if self.author_only and found.updated_by != self.actor:
            raise Denied(
                f"the note {found.name!r} was written by {found.updated_by}, not by you",
                hint="an agent removes its own notes and what it wrote itself; leave this one to people",
            )
        desk.remove(NOTES, found.number)
        desk.remove(NOTE_VECTORS, found.scope, found.scope_id, -found.number)
        desk.remove(NOTE_NAMES, found.scope, found.scope_id, found.name)
        desk.say(_told("memory.removed", self.actor, found))
        return found


def _told(event: str, actor: str, note: Note, **more: object) -> Draft:
    data = {"scope": note.scope.value, "scopeId": note.scope_id, "name": note.name, **more}
    return Draft(type=event, actor=actor, subject_kind="memory", subject_id=note.id, data=data)
