"""The keys that tokens of sessions are signed with: kept in the database, so that all servers on it share them.

The newest one signs. Older ones are still believed until everything they signed has run out, or not at all where they
were taken away at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent_swarm.domain.sealed import is_sealed
from agent_swarm.store.events import Draft
from agent_swarm.store.families.data_keys import DATA_KEYS, require_active, retired
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

MOST = 20  # kept; of more rotations than this within one overlap the oldest keys go early


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A key; `sealed` is its secret in base64, sealed with a data key, or as it is where there is none.

    Ids grow with time: the last one is the newest.
    """

    id: str
    sealed: str = field(repr=False)
    created_at: int = 0
    ends_at: int | None = None  # nothing that it signed counts from then on; None while it signs

    @property
    def identity(self) -> tuple[str, ...]:
        """What its sealed secret is bound to."""
        return ("signing_key", self.id)

    @property
    def shown(self) -> str:
        """The key as people name it."""
        return f"signing key {self.id}"


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
        """Keys that have ended go. Raises DataKeyRetired for one that is not sealed as it has to be by now."""
        known = desk.scan(SIGNING_KEYS, limit=2 * MOST)
        signing = [key for key in known if key.ends_at is None]
        if self.only_first and signing:
            return signing[-1]
        _require_sealed(desk, self.key.sealed)
        for number, key in enumerate(known, 1):
            ends_at = min(key.ends_at or desk.now + self.overlap, desk.now + self.overlap)
            if ends_at <= desk.now or len(known) - number > MOST - 2:
                desk.remove(SIGNING_KEYS, key.id)
            else:
                desk.put(SIGNING_KEYS, replace(key, ends_at=ends_at))
        made = replace(self.key, created_at=desk.now)
        desk.put(SIGNING_KEYS, made)
        data = {"overlapSeconds": self.overlap // 1_000_000, "replaces": [key.id for key in signing]}
        desk.say(_told("signingKey.created", self.actor, made, data))
        return made


def signing_key_removed(key: SigningKeyRecord, actor: str) -> Draft:
    """The event of a removal."""
    return _told("signingKey.removed", actor, key, {})


def _require_sealed(desk: Desk, text: str) -> None:
    """As it is a secret may be stored only where nothing is sealed by anybody."""
    if is_sealed(text):
        require_active(desk, text)
    elif desk.scan(DATA_KEYS, limit=1):
        raise retired()


def _told(event: str, actor: str, key: SigningKeyRecord, data: Mapping[str, Any]) -> Draft:
    return Draft(type=event, actor=actor, subject_kind="signingKey", subject_id=key.id, data=data)
