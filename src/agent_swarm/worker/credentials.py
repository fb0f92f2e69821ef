"""The credentials that this host's agents share: which one an attempt works with, and which rest until when.

A variable may hold several, separated by commas. What is known of them is in a file that all workers of the host share,
so that each knows what another was told, and a restart forgets nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_swarm.domain import credentials
from agent_swarm.domain.credentials import KINDS, Standing, Tiers, values_in
from agent_swarm.worker.credential_book import CredentialBook, Entry


@dataclass(frozen=True, slots=True)
class Credential:
    """One account's. `name` is shown to people: its kind, and its place in the variable."""

    name: str
    variable: str
    fingerprint: str
    value: str = field(repr=False)

    def alone_in(self, environment: Mapping[str, str], variables: Sequence[str]) -> dict[str, str]:
        """The environment with this credential, and no other one of `variables`."""
        kept = {name: value for name, value in environment.items() if name not in variables}
        return {**kept, self.variable: self.value}


class CredentialPool:
    """In a folder that the workers of a host share."""

    def __init__(self, folder: Path) -> None:
        self._book = CredentialBook(folder)

    def found_in(self, environment: Mapping[str, str], variables: Sequence[str]) -> tuple[Credential, ...]:
        """The credentials in an environment, those of the first of `variables` first; one that stands there twice is
        one.
        """
        found: dict[str, Credential] = {}
        for variable in variables:
            for place, value in enumerate(values_in(variable, environment.get(variable, "")), 1):
                name = f"{KINDS.get(variable, variable.lower())}-{place}"
                one = Credential(name, variable, self._book.fingerprint(value), value)
                found.setdefault(one.fingerprint, one)
        return tuple(found.values())

    def take(self, among: Sequence[Credential], *, now: float) -> Credential | None:
        """The one to work with next, which counts as used from here on; None where all rest."""
        tiers = _tiers(among)
        with self._book.changing() as entries:
            known = {key: entry.standing for key, entry in entries.items()}
            chosen = credentials.chosen(tiers, known, now=now)
            if chosen is None:
                return None
            after = credentials.used(tiers, known, chosen, now=now)
            for one in among:
                if one.fingerprint in after:
                    entries[one.fingerprint] = Entry(one.name, after[one.fingerprint])
        return next(one for one in among if one.fingerprint == chosen)

    def refused(self, one: Credential, code: str, *, retry_at: float | None, now: float) -> float:
        """Its limit is reached: it rests. Answers until when, in Unix seconds."""
        return self._changed(
            one, lambda standing: credentials.refused(standing, code, retry_at=retry_at, now=now)
        ).rests_until

    def unknown(self, one: Credential, code: str) -> None:
        """The provider does not know it."""
        self._changed(one, lambda standing: credentials.unknown(standing, code))

    def accepted(self, one: Credential) -> None:
        """A run with it came to a good end."""
        self._changed(one, credentials.accepted)

    def awake_at(self, among: Sequence[Credential], *, now: float) -> float | None:
        """When the first of those that rest may be used again, in Unix seconds; None where none rests."""
        known = {key: entry.standing for key, entry in self._book.read().items()}
        return credentials.awake_at(_tiers(among), known, now=now)

    def _changed(self, one: Credential, change: Callable[[Standing], Standing]) -> Standing:
        with self._book.changing() as entries:
            before = entries.get(one.fingerprint, Entry(one.name, Standing()))
            after = change(before.standing)
            entries[one.fingerprint] = Entry(one.name, after)
        return after


def one_of_each(environment: Mapping[str, str], variables: Sequence[str]) -> dict[str, str]:
    """The environment with the first credential of each of `variables`."""
    found = {name: values_in(name, environment[name]) for name in variables if name in environment}
    return {**environment, **{name: values[0] for name, values in found.items() if values}}


def _tiers(among: Sequence[Credential]) -> Tiers:
    """By variable, in their order."""
    variables = dict.fromkeys(one.variable for one in among)
    return [[one.fingerprint for one in among if one.variable == variable] for variable in variables]
