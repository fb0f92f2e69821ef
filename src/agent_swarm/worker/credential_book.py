"""What is known of credentials, on disk, without a value of one.

A credential is known by a keyed fingerprint, whose key never leaves the host.

credentials.json    what is known, by fingerprint
credentials.key     the key of the fingerprints
credentials.lock    held while one of the others is changed
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from agent_swarm.domain.credentials import Standing

log = structlog.get_logger(__name__)

FINGERPRINT_CHARS = 8
MOST_ENTRIES = 500  # those that were used longest ago go first
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` is how it was called when it was used last."""

    name: str
    standing: Standing


Entries = dict[str, Entry]  # by fingerprint


class CredentialBook:
    """In `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key: bytes | None = None

    def fingerprint(self, value: str) -> str:
        """Of a credential: the same on this host at all times, and nothing anywhere else."""
        if self._key is None:
            with self._locked():
                self._key = self._read_key()
        return hmac.new(self._key, value.encode(), hashlib.sha256).hexdigest()[:FINGERPRINT_CHARS]

    def read(self) -> Entries:
        """What is known."""
        try:
            stored = json.loads((self._folder / "credentials.json").read_bytes())
            return {str(key): _entry(about) for key, about in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as exc:  # it costs a few refusals to learn
            log.warning("credentials_unreadable", folder=str(self._folder), error=type(exc).__name__)
            return {}

    @contextmanager
    def changing(self) -> Iterator[Entries]:
        """What is known, to be changed; others wait meanwhile, and then see all of it."""
        with self._locked():
            entries = self.read()
            yield entries
            kept = sorted(entries.items(), key=lambda item: item[1].standing.used_at)[-MOST_ENTRIES:]
            text = json.dumps({key: {"name": entry.name, **asdict(entry.standing)} for key, entry in kept}, indent=1)
            self._write("credentials.json", text.encode())

    def _read_key(self) -> bytes:
        path = self._folder / "credentials.key"
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = b""
        if len(key) != _KEY_BYTES:
            key = secrets.token_bytes(_KEY_BYTES)
            self._write(path.name, key)
        return key

    def _write(self, name: str, content: bytes) -> None:
        """Whole or not at all, readable by its owner alone."""
        draft = self._folder / f".{name}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(self._folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / "credentials.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _entry(about: dict[str, Any]) -> Entry:
    standing = Standing(
        uses=int(about["uses"]),
        used_at=float(about["used_at"]),
        rests_until=float(about["rests_until"]),
        reason=str(about["reason"]),
        refusals=int(about["refusals"]),
        is_doubtful=bool(about["is_doubtful"]),
    )
    return Entry(str(about["name"]), standing)
