"""Finds notes by what they mean: the query's vector beside those of the notes in the places that are seen."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent_swarm.domain.notes import NotePlace
from agent_swarm.services.embedding.endpoint import EmbeddingModel, ModelUnreachable
from agent_swarm.services.embedding.likeness import nearest, packed
from agent_swarm.store.base import Queries
from agent_swarm.store.families.notes import NOTE_VECTORS, NoteVector

log = structlog.get_logger()

TEXT_CHARS = 8_000  # of a note or a query: what common models take
COMPARED = 5_000  # notes, of all places of a search; of each the newest
NEAREST = 50
_QUERIES_KEPT = 256


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query means, to one model."""

    model: str
    vector: str


class Meaning:
    """One embedding model, and how alike texts must be to count (-1 to 1)."""

    def __init__(self, model: EmbeddingModel, *, floor: float, on_asked: Callable[[bool], None]) -> None:
        self.model = model
        self._floor = floor
        self._on_asked = on_asked
        self._kept: OrderedDict[str, str] = OrderedDict()

    async def vectors(self, texts: Sequence[str]) -> list[str]:
        """As they are kept, one for each text. Raises ModelUnreachable."""
        try:
            vectors = await self.model.vectors([text[:TEXT_CHARS] for text in texts])
        except ModelUnreachable:
            self._on_asked(False)
            raise
        self._on_asked(True)
        return await asyncio.to_thread(lambda: [packed(vector) for vector in vectors])  # its import takes a second

    async def of_query(self, query: str) -> Wanted | None:
        """What a query means; None where the model cannot say, and words have to do."""
        query = query[:TEXT_CHARS]
        if query not in self._kept:
            try:
                (self._kept[query],) = await self.vectors([query])
            except ModelUnreachable as exc:
                log.warning("embedding_failed", reason=str(exc))
                return None
            if len(self._kept) > _QUERIES_KEPT:
                self._kept.popitem(last=False)
        return Wanted(self.model.name, self._kept[query])

    def found(self, queries: Queries, wanted: Wanted, places: Sequence[NotePlace] | None) -> list[int]:
        """The numbers of the notes that mean most nearly what is wanted, best first."""
        kept = [(-one.rank, one.vector) for one in _vectors(queries, places) if one.model == wanted.model]
        return nearest(wanted.vector, kept, floor=self._floor, limit=NEAREST)


def _vectors(queries: Queries, places: Sequence[NotePlace] | None) -> list[NoteVector]:
    if places is None:
        return list(queries.scan(NOTE_VECTORS, limit=COMPARED))
    each = COMPARED // max(1, len(places))
    return [one for place in places for one in queries.scan(NOTE_VECTORS, place.scope, place.id, limit=each)]
