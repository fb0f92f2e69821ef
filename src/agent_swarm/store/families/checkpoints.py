"""Signed checkpoints of the event chain, as the database keeps them, and how far the chain is archived.

What is here is for the servers, which agree by it on one numbering; who checks the history goes by the files outside
the database.
"""

from dataclasses import dataclass, replace

from agent_swarm.domain.errors import Conflict
from agent_swarm.store.events import GENESIS, Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint, as the line that was signed."""

    number: int
    seq: int
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """The last checkpoint's number, and the anchor: events up to `anchor_seq` are archived.

    The rows of those may be gone; the chain that is left begins after `anchor_hash`.
    """

    id: int
    number: int = 0
    anchor_seq: int = 0
    anchor_hash: str = GENESIS


CHECKPOINTS = Family("checkpoint", StoredCheckpoint, key=("number",))
CHAIN_STATES = Family("chain_state", ChainState, key=("id",))
THE_CHAIN = 1
NOTHING_YET = ChainState(id=THE_CHAIN)


class CheckpointTaken(Conflict):
    """Another server has made the checkpoint with this number."""

    code = "checkpointTaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutCheckpoint(RecordOperation[None]):
    """Add the next checkpoint; refused with CheckpointTaken where it is not the next one any more.

    `anchor` moves the beginning of the chain, which only goes forward; `said` is the event of a person's wish.
    """

    checkpoint: StoredCheckpoint
    anchor: tuple[int, str] | None = None
    said: Draft | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return ("checkpoint",)

    def carry_out(self, desk: Desk) -> None:
        """Take the number, or refuse."""
        state = desk.get(CHAIN_STATES, THE_CHAIN) or NOTHING_YET
        if self.checkpoint.number != state.number + 1:
            raise CheckpointTaken(
                f"checkpoint {self.checkpoint.number} cannot be added: the last one is {state.number}",
                hint="read the last checkpoint and sign the next one",
            )
        state = replace(state, number=self.checkpoint.number)
        if self.anchor is not None and self.anchor[0] > state.anchor_seq:
            state = replace(state, anchor_seq=self.anchor[0], anchor_hash=self.anchor[1])
        desk.put(CHECKPOINTS, self.checkpoint)
        desk.put(CHAIN_STATES, state)
        if self.said is not None:
            desk.say(self.said)
