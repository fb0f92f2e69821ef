"""Messages: what kinds there are, how far one has come, and what may be written. Pure."""

import re
from collections.abc import Iterable
from enum import StrEnum

from agent_swarm.domain.errors import InvalidInput, TooLarge

TEXT_BYTES = 64 * 1024
RECIPIENTS = 1_000  # of one message
MEMBERS = 1_000  # of one channel
CHANNELS = 1_000
NAME_CHARS = 64
AT_ONCE = 50  # that an agent is told together, and that are taken to it together
DIGEST_BYTES = 256 * 1024  # of texts that an agent is told together
HOPS = 4  # so many times agents that were woken may wake others in turn

_NAME = re.compile(r"[a-z0-9][a-z0-9_.\-]{0,63}")


class MessageKind(StrEnum):
    """Whom a message is for."""

    DIRECT = "direct"
    CHANNEL = "channel"
    BROADCAST = "broadcast"
    STEER = "steer"  # for whoever works on a task


class DeliveryStatus(StrEnum):
    """How far a message has come on its way to one recipient."""

    QUEUED = "queued"
    DELIVERED = "delivered"  # the recipient's worker has it
    ACKNOWLEDGED = "acknowledged"  # the recipient has it


def of_task(task_id: str) -> str:
    """The recipient that stands for whoever works on a task."""
    return f"task:{task_id}"


def fitting(sizes: Iterable[int]) -> int:
    """How many messages whose texts have these sizes in bytes, oldest first, an agent is told at once: one at least."""
    room, number = DIGEST_BYTES, 0
    for size in sizes:
        room -= size
        if number and (room < 0 or number == AT_ONCE):
            break
        number += 1
    return number


def require_text(text: str) -> None:
    """Raises where a message may not have this text."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > TEXT_BYTES:
        raise TooLarge(
            f"text has {size:,} bytes, at most {TEXT_BYTES:,} are taken",
            hint="put long material into a file of the project and name it in the message",
            details={"field": "text", "bytes": size, "limit": TEXT_BYTES},
        )
    if not text.strip():
        raise InvalidInput("text is blank, expected what there is to say", details={"field": "text"})


def channel_name(text: str) -> str:
    """`text` as the name of a channel, with or without the # before it. Raises InvalidInput."""
    name = text.strip().removeprefix("#").lower()
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{text[:NAME_CHARS]!r} is no name of a channel",
            hint=f"use up to {NAME_CHARS} of: a-z 0-9 - _ . and begin with a letter or a digit",
            details={"field": "channel"},
        )
    return name
