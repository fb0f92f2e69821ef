"""Where the master key is looked for: the same places in the same order at every start.

1. `SECRETS_ENCRYPTION_KEY`
2. the file that `SECRETS_ENCRYPTION_KEY_FILE` names
3. the secret backend that `SECRETS_ENCRYPTION_KEY_REF` refers to
4. `<data-dir>/.encryption-key`

A place that is named counts, also where what is there is no key: then the start fails, and no other place is tried.
`SECRETS_ENCRYPTION_KEY_PREVIOUS`, or the file that `…_PREVIOUS_FILE` names, is the key before, for a rotation.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.domain.errors import SwarmError
from agent_swarm.vault import keyfile
from agent_swarm.vault.backends.reading import read_trusted
from agent_swarm.vault.backends.references import PREFIX, parse
from agent_swarm.vault.backends.settings import load_backend_settings
from agent_swarm.vault.keys import InvalidKey, MasterKey, Origin, parse_key

VARIABLE = "SECRETS_ENCRYPTION_KEY"
REFERENCE = "SECRETS_ENCRYPTION_KEY_REF"
PREVIOUS = "SECRETS_ENCRYPTION_KEY_PREVIOUS"


class KeyUnreachable(SwarmError):
    """The backend that keeps the master key does not give it."""

    code = "keyUnreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySources:
    """What was said about keys; empty texts and None say nothing."""

    data_dir: Path
    key: str = ""
    key_file: Path | None = None
    key_reference: str = ""
    previous: str = ""
    previous_file: Path | None = None

    @property
    def own_file(self) -> Path:
        """The file of the data directory."""
        return self.data_dir / keyfile.FILE_NAME


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys of a start. `staged` is one that a rotation was about to install when the process ended."""

    own_file: Path
    master: MasterKey | None = None
    previous: MasterKey | None = None
    staged: MasterKey | None = None


def find_keys(sources: KeySources) -> FoundKeys:
    """The keys that are there; raises InvalidKey, naming the place, for one that cannot be used.

    Blocks where one has to be fetched; raises KeyUnreachable where it cannot be.
    """
    return FoundKeys(sources.own_file, _master(sources), _previous(sources), _staged(sources.own_file))


def _master(sources: KeySources) -> MasterKey | None:
    named = _named(sources.key, sources.key_file, VARIABLE)
    if named is not None:
        return named
    if sources.key_reference.strip():
        return _fetched(sources)
    path = sources.own_file
    return keyfile.read_key_file(path, place=str(path), origin=Origin.DATA_DIR) if os.path.lexists(path) else None


def _fetched(sources: KeySources) -> MasterKey:
    """The key from a secret backend, which the server's settings name: no list of allowed references applies."""
    text = sources.key_reference.strip().removeprefix(PREFIX)
    try:
        reference = parse(text)
        found = read_trusted(reference, load_backend_settings(sources.data_dir))
    except SwarmError as exc:
        raise KeyUnreachable(
            f"the encryption key cannot be had from where {REFERENCE} says it is: {exc.message}",
            hint=exc.hint or f"look at {REFERENCE} and at that backend; without its key the server does not start",
        ) from exc
    return parse_key(found, place=f"{reference} ({REFERENCE})", origin=Origin.BACKEND)


def _previous(sources: KeySources) -> MasterKey | None:
    return _named(sources.previous, sources.previous_file, PREVIOUS)


def _named(text: str, path: Path | None, variable: str) -> MasterKey | None:
    if text.strip():
        return parse_key(text, place=variable, origin=Origin.ENVIRONMENT)
    if path is not None:
        return keyfile.read_key_file(path, place=f"{path} ({variable}_FILE)", origin=Origin.FILE)
    return None


def _staged(path: Path) -> MasterKey | None:
    """A draft that is no whole key was never told to the database."""
    draft = keyfile.staged(path)
    try:
        return keyfile.read_key_file(draft, place=str(path), origin=Origin.DATA_DIR)
    except InvalidKey:
        return None
