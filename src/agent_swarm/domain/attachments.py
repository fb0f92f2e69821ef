"""Small files that an attempt leaves with its task: a patch, a report, a picture. What is large belongs in a branch."""

import re

from agent_swarm.domain.errors import InvalidInput, TooLarge

NAME_CHARS = 100
BYTES = 256 * 1024  # of one
PER_ATTEMPT = 8
MEDIA_TYPE_CHARS = 100

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]*")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*(;[ ]?charset=[A-Za-z0-9-]+)?")
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"


def require_attachment(name: str, media_type: str, size: int) -> None:
    """Refuse what may not be kept: InvalidInput, or TooLarge for more than 256 KiB."""
    if len(name) > NAME_CHARS or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:NAME_CHARS]!r} is no name of an attachment",
            hint=f"at most {NAME_CHARS} of A-Z a-z 0-9 . _ - and blanks, beginning with a letter, a digit or _",
            details={"field": "name"},
        )
    if len(media_type) > MEDIA_TYPE_CHARS or not _MEDIA_TYPE.fullmatch(media_type):
        raise InvalidInput(
            f"{media_type[:MEDIA_TYPE_CHARS]!r} is no media type",
            hint="such as text/plain or image/png, in small letters",
            details={"field": "mediaType"},
        )
    if size > BYTES:
        raise TooLarge(
            f"attachment {name!r} has {size} bytes, at most {BYTES} are taken",
            hint="commit it to the branch of the attempt, or leave a shorter one",
            details={"field": "attachments", "limit": BYTES},
        )
