"""The key that this server signs checkpoints with: made on its first start, in a file that only its owner can read.

While a key is replaced there are two: the next one lies beside the present one until a signed checkpoint has
introduced it, and only then takes its place.
"""

import os
import stat
from pathlib import Path

from agent_swarm.audit.files import write_anew
from agent_swarm.audit.keys import PublicKey, SigningKey, new_key, signing_key
from agent_swarm.domain.errors import InvalidAuditKey

FILE_NAME = "audit-key"
_BYTES = 16_384


class KeyFile:
    """Where the key is. `is_given` means that somebody else keeps it: then it is neither made nor replaced here."""

    def __init__(self, path: Path, *, is_given: bool = False) -> None:
        self.path = path
        self.is_given = is_given

    @property
    def _next_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.next")

    def load(self) -> SigningKey:
        """The key; made where there is none and nobody gave one. Raises InvalidAuditKey."""
        if os.path.lexists(self.path) or self.is_given:
            return _read(self.path)
        key = new_key()
        write_anew(self.path, key.pem.encode())
        return key

    def prepare_next(self) -> SigningKey:
        """A new key beside the present one. Raises InvalidAuditKey for a key that is kept by somebody else."""
        if self.is_given:
            raise InvalidAuditKey(
                f"the key in {self.path} was given to this server, which cannot replace it",
                hint="make a new one, have it introduced with --public-key, then give it to the servers",
            )
        key = new_key()
        write_anew(self._next_path, key.pem.encode())
        return key

    def waiting(self) -> SigningKey | None:
        """The key that lies beside the present one, where a replacement did not come to its end."""
        return _read(self._next_path) if os.path.lexists(self._next_path) else None

    def take_next(self) -> SigningKey:
        """Put the next key in the place of the present one, which is gone then."""
        key = _read(self._next_path)
        self._next_path.replace(self.path)
        return key


def present(path: Path) -> tuple[PublicKey, ...]:
    """The public keys of who keeps its key at `path`, without making one; none where this user cannot read it."""
    found = []
    for place in (path, path.with_name(f"{path.name}.next")):
        try:
            found.append(_read(place).public)
        except InvalidAuditKey:
            continue
    return tuple(found)


def _read(path: Path) -> SigningKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            content = file.read(_BYTES)
    except OSError as exc:
        raise InvalidAuditKey(
            f"cannot read the key for signed checkpoints in {path}: {exc.strerror or exc}",
            hint="make it readable for this user alone, or name another file: AGENT_SWARM_AUDIT_KEY_FILE",
        ) from exc
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
        raise InvalidAuditKey(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}), expected 0600",
            hint=f"run: chmod 600 {path}; if somebody may have read it: agent-swarm audit rotate-key",
        )
    return signing_key(content, where=str(path))
