"""The keys that tokens of sessions are signed with: kept in the database, so that all servers on it share them.

The newest one signs. Older ones are still believed until everything they signed has run out, or not at all where they
were taken away at once.
"""

from dataclasses import dataclass, field, replace

from agent_swarm.store.events import Draft
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

MOST = 20  # kept; of more rotations than this within one overlap the oldest keys go early


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A key; `sealed` is its secret as `services/sealing` seals it. Ids grow with time: the last one is the newest."""

    id: str
    sealed: str = field(repr=False)
    created_at: int = 0
    ends_at: int | None = None  # nothing that it signed counts from then on; None while it signs


SIGNING_KEYS = Family("signing_key", SigningKeyRecord, key=("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class PutSigningKey(RecordOperation[SigningKeyRecord]):
    """Have a new key sign from now on, and the old ones end after `overlap`; answers the key that signs.

    `only_first`: where there is a key that signs, nothing happens. So servers that begin at once agree on one.
    """

    key: SigningKeyRecord
    actor: str
    overlap: int = 0
    only_first: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return ("signingKeys",)

    def carry_out(self, desk: Desk) -> SigningKeyRecord:
        """Keys that have ended go."""
        known = desk.scan(SIGNING_KEYS, limit=2 * MOST)
        signing = [key for key in known if key.ends_at is None]
        if self.only_first and signing:
            return signing[-1]
        for number, key in enumerate(known, 1):
            ends_at = min(key.ends_at or desk.now + self.overlap, desk.now + self.overlap)
            if ends_at <= desk.now or len(known) - number > MOST - 2:
                desk.remove(SIGNING_KEYS, key.id)
            else:
                desk.put(SIGNING_KEYS, replace(key, ends_at=ends_at))
        made = replace(self.key, created_at=desk.now)
        desk.put(SIGNING_KEYS, made)
        data = {"overlapSeconds": self.overlap // 1_000_000, "replaces": [key.id for key in signing]}
        desk.say(
            Draft(type="signingKey.created", actor=self.actor, subject_kind="signingKey", subject_id=made.id, data=data)
        )
        return made
