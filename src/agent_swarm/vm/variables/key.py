"""Which key variables are encrypted with: the one that those stored are, else one that is there, else a new one.

A second key beside values of a first one would be the first step to losing them, so none is made while values wait for
a key that cannot be found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.errors import EncryptionKeyMissing
from agent_swarm.vault.keys import InvalidKey, MasterKey, Origin, new_key
from agent_swarm.vm.errors import VmError
from agent_swarm.vm.variables.key_places import KeyPlace, NoKeyring


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """A key, where it is, and whether it has just been made. `why_there` says why it is in no better place."""

    key: MasterKey
    place: str
    is_new: bool = False
    why_there: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the places answered."""

    found: Sequence[FoundKey]
    troubles: Sequence[str]

    def of(self, key_id: str) -> FoundKey:
        """The key of that id; raises EncryptionKeyMissing, saying where it was looked for."""
        for one in self.found:
            if one.key.id == key_id:
                return one
        others = [f"{one.place} has another one" for one in self.found]
        told = "; ".join([*self.troubles, *others]) or "there is none"
        raise EncryptionKeyMissing(
            f"the key {key_id} of the variables is not here: {told}",
            hint="bring it back to where it was (log in to the keyring, restore the file), or remove what is "
            "encrypted with it: agent-swarm env rm",
        )


def look_up(places: Sequence[KeyPlace]) -> Lookup:
    """The keys of all places; what a place cannot tell is kept for people."""
    found, troubles = [], []
    for place in places:
        try:
            key = place.read()
        except (NoKeyring, InvalidKey, VmError) as exc:
            troubles.append(str(exc))
            continue
        if key is None:
            troubles.append(f"{place.title} has none")
        else:
            found.append(FoundKey(key=key, place=place.title))
    return Lookup(found, troubles)


def to_seal_with(places: Sequence[KeyPlace], in_use: Sequence[str]) -> FoundKey:
    """The key for a new value, where values with the keys `in_use` are stored; made and kept where there is none.

    Raises EncryptionKeyMissing where a stored value's key is not here, VmError where a new one can be kept nowhere.
    """
    lookup = look_up(places)
    needed = [lookup.of(key_id) for key_id in in_use]
    if needed:
        return needed[-1]
    if lookup.found:
        return lookup.found[0]
    return _made(places)


def _made(places: Sequence[KeyPlace]) -> FoundKey:
    key = new_key(origin=Origin.FILE)
    reasons: list[str] = []
    for place in places:
        try:
            if place.read() is not None:  # it is there, and cannot be used
                raise VmError(f"{place.title} holds something that is no key")
            place.write(key)
            kept = place.read()
        except (NoKeyring, InvalidKey) as exc:
            reasons.append(str(exc))
            continue
        if kept is not None and kept.id == key.id:
            return FoundKey(key=key, place=place.title, is_new=True, why_there="; ".join(reasons))
        reasons.append(f"{place.title} did not keep the key it was given")
    raise VmError(f"no place keeps a key: {'; '.join(reasons)}", hint="make room for it, then set the variable again")
