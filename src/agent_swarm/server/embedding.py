"""Has an embedding model say what notes mean: what was stored at once, and what is behind when the server starts."""

from collections.abc import Iterable, Sequence
from functools import partial

import structlog

from agent_swarm.domain.errors import ShuttingDown
from agent_swarm.server.service import ListeningService
from agent_swarm.services.embedding.endpoint import ModelUnreachable
from agent_swarm.services.embedding.meaning import Meaning
from agent_swarm.store.base import Committed, Queries, Store
from agent_swarm.store.families.note_vectors import StoreVectors
from agent_swarm.store.families.notes import NOTE_NAMES, NOTE_VECTORS, NOTES, Note, NoteName, number_of

log = structlog.get_logger()

BATCH = 32  # texts of one question to the model
SWEEP_SECONDS = 3_600.0  # a note of another server that died before it asked
_LOOKED_AT = 500  # names, at a time
_WAIT_SECONDS = (1.0, 5.0, 30.0, 120.0)  # after the model did not answer, again and again


class NoteEmbedding(ListeningService):
    """Keeps the vectors of notes up to date; notes are stored and found by their words whether it can or not."""

    def __init__(self, store: Store, meaning: Meaning) -> None:
        super().__init__("embedding", store)
        self._meaning = meaning
        self._numbers: dict[int, None] = {}  # of notes to ask about, in order
        self._sweep_at = 0
        self._failures = 0

    async def stop(self) -> None:
        """End."""
        await super().stop()
        self._meaning.model.close()

    async def run_once(self) -> float:
        """Ask about what is known to be behind; answers the seconds until there is more to do."""
        try:
            if self._store.now() >= self._sweep_at:
                await self._sweep()
            while self._numbers:
                await self._ask(list(self._numbers)[:BATCH])
        except ShuttingDown:
            return SWEEP_SECONDS
        except ModelUnreachable as exc:
            wait = _WAIT_SECONDS[min(self._failures, len(_WAIT_SECONDS) - 1)]
            self._failures += 1
            log.warning("embedding_failed", reason=str(exc), waiting=len(self._numbers), again_in=wait)
            return wait
        return SWEEP_SECONDS

    async def _ask(self, numbers: Sequence[int]) -> None:
        notes = await self._store.read(lambda queries: _notes(queries, numbers))
        if notes:
            vectors = await self._meaning.vectors([_text(note) for note in notes])
            self._failures = 0
            stored = StoreVectors(model=self._meaning.model.name, notes=tuple(notes), vectors=tuple(vectors))
            await self._store.apply(stored)
        for number in numbers:
            self._numbers.pop(number, None)

    async def _sweep(self) -> None:
        """Find the notes that have no vector of this model."""
        model = self._meaning.model.name
        after: tuple[str, str, str] | None = None
        while True:
            names, behind = await self._store.read(partial(_behind, model=model, after=after))
            self._numbers.update(dict.fromkeys(behind))
            if len(names) < _LOOKED_AT:
                break
            last = names[-1]
            after = (last.scope, last.scope_id, last.name)
        self._sweep_at = self._store.now() + int(SWEEP_SECONDS * 1_000_000)

    def _hear(self, committed: Committed) -> None:
        stored = [number_of(event.subject_id) for event in committed.events if event.type == "memory.stored"]
        if stored:
            self._numbers.update(dict.fromkeys(stored))
            self.hurry()


def _text(note: Note) -> str:
    return "\n".join([note.name, " ".join(note.tags), note.text])


def _notes(queries: Queries, numbers: Iterable[int]) -> list[Note]:
    return [note for number in numbers if (note := queries.record(NOTES, number)) is not None]


def _behind(queries: Queries, *, model: str, after: tuple[str, str, str] | None) -> tuple[list[NoteName], list[int]]:
    """Some names, from `after` on, and the numbers of those notes that the model was not asked about."""
    names = list(queries.scan(NOTE_NAMES, after=after, limit=_LOOKED_AT))
    found = [(name, queries.record(NOTE_VECTORS, name.scope, name.scope_id, -name.number)) for name in names]
    return names, [name.number for name, vector in found if vector is None or vector.model != model]
