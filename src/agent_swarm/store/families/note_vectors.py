"""Keeping what notes mean, as an embedding model says it. A vector stands as long as its note is not written anew."""

from dataclasses import dataclass

from agent_swarm.store.families.notes import NOTE_VECTORS, NOTES, Note, NoteVector
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreVectors(RecordOperation[int]):
    """Keep the vectors of notes, each as it was read; answers how many still are what they were."""

    model: str
    notes: tuple[Note, ...]
    vectors: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(note.key for note in self.notes)

    @property
    def weight(self) -> int:
        return len(self.notes)

    def carry_out(self, desk: Desk) -> int:
        """A note that was written anew meanwhile, or removed, is left alone."""
        kept = 0
        for note, vector in zip(self.notes, self.vectors, strict=True):
            found = desk.get(NOTES, note.number)
            if found is None or (found.id, found.updated_at) != (note.id, note.updated_at):
                continue
            put = NoteVector(
                scope=note.scope, scope_id=note.scope_id, rank=-note.number, model=self.model, vector=vector
            )
            desk.put(NOTE_VECTORS, put)
            kept += 1
        return kept
