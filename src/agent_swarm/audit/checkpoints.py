"""Signed checkpoints: what one says, the line it is written as, and the bytes that are signed.

A line is canonical JSON: there is one way to write a checkpoint, and whatever is written otherwise is refused. The
signature covers everything else in the line.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from agent_swarm.audit.keys import PublicKey, SigningKey, public_key_of
from agent_swarm.domain.errors import InvalidAuditKey, SwarmError
from agent_swarm.domain.time import to_wire

VERSION: Final = 1
LINE_BYTES: Final = 4_096
_CONTEXT: Final = b"agent-swarm audit checkpoint\n"  # so that a signature of this key on anything else is none of these
_HASH = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_BIGGEST: Final = 2**63 - 1


class CheckpointUnreadable(SwarmError):
    """A line is no checkpoint."""

    code = "checkpointUnreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """Events `from_seq` to `to_seq` are in the file `file` and may be gone from the database.

    `previous` is the hash before the first of them, `hash` that of the last; `sha256` is the file's.
    """

    from_seq: int
    to_seq: int
    previous: str
    hash: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The chain had this hash at this event; `number` counts them without a gap.

    `introduces` is a key that signs from here on, instead of the one that signed this.
    """

    number: int
    seq: int
    hash: str
    at: int
    key_id: str
    introduces: PublicKey | None = None
    archives: Archived | None = None
    signature: str = ""

    @property
    def line(self) -> str:
        """As it is written down, without the end of the line."""
        return _canonical({**_content(self), "signature": self.signature})

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return _CONTEXT + _canonical(_content(self)).encode()

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether the signature is this key's."""
        return key.id == self.key_id and key.has_signed(self.signed, bytes.fromhex(self.signature))

    def signed_with(self, key: SigningKey) -> "Checkpoint":
        """The same, with the signature of `key`."""
        unsigned = replace(self, key_id=key.public.id, signature="")
        return replace(unsigned, signature=key.sign(unsigned.signed).hex())


def parse(line: str | bytes) -> Checkpoint:
    """The checkpoint that a line is; raises CheckpointUnreadable. Whether it counts, the signature says."""
    if len(line) > LINE_BYTES:
        raise CheckpointUnreadable(f"a checkpoint has at most {LINE_BYTES} bytes, and this has {len(line)}")
    try:
        text = line.decode("ascii") if isinstance(line, bytes) else line
        fields = json.loads(text)
        found = _read(fields)
    except (ValueError, TypeError, KeyError, RecursionError, InvalidAuditKey) as exc:
        raise CheckpointUnreadable(f"this is no checkpoint ({type(exc).__name__})") from None
    if found.line != text:
        raise CheckpointUnreadable("this is not how a checkpoint is written: its line was changed")
    return found


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    key, archived = checkpoint.introduces, checkpoint.archives
    return {
        "v": VERSION,
        "number": checkpoint.number,
        "seq": checkpoint.seq,
        "hash": checkpoint.hash,
        "at": checkpoint.at,
        "time": to_wire(checkpoint.at),  # the same for people
        "keyId": checkpoint.key_id,
        "introduces": None if key is None else key.text,
        "archives": None if archived is None else archived_content(archived),
    }


def archived_content(archived: Archived) -> dict[str, Any]:
    """An archive as it stands in a checkpoint."""
    return {
        "fromSeq": archived.from_seq,
        "toSeq": archived.to_seq,
        "previous": archived.previous,
        "hash": archived.hash,
        "file": archived.file,
        "sha256": archived.sha256,
    }


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), sort_keys=True)


def _read(fields: Any) -> Checkpoint:
    if fields["v"] != VERSION:
        raise ValueError
    introduces, archives = fields["introduces"], fields["archives"]
    return Checkpoint(
        number=_whole(fields["number"], least=1),
        seq=_whole(fields["seq"]),
        hash=_text(fields["hash"], _HASH),
        at=_whole(fields["at"], most=253_402_300_799_000_000),  # the year 9999, the last that can be written
        key_id=_text(fields["keyId"], _KEY_ID),
        introduces=None if introduces is None else public_key_of(_text(introduces, _HASH), where="a checkpoint"),
        archives=None if archives is None else _archived(archives),
        signature=_text(fields["signature"], _SIGNATURE),
    )


def _archived(fields: Any) -> Archived:
    return Archived(
        from_seq=_whole(fields["fromSeq"], least=1),
        to_seq=_whole(fields["toSeq"], least=1),
        previous=_text(fields["previous"], _HASH),
        hash=_text(fields["hash"], _HASH),
        file=_text(fields["file"], _FILE),
        sha256=_text(fields["sha256"], _HASH),
    )


def _whole(value: Any, *, least: int = 0, most: int = _BIGGEST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _text(value: Any, form: "re.Pattern[str]") -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError
    return value
