"""Identifiers, one type per kind of thing, so that two of them cannot be swapped unnoticed.

Ours are UUIDv7 (RFC 9562 §5.7): lower-case text that sorts by creation time. Any UUID is accepted from outside, because
people bring stable `AGENT_ID`s made by `uuidgen`.
"""

import os
import re
import time
from typing import NewType

TaskId = NewType("TaskId", str)
AgentId = NewType("AgentId", str)
InstanceId = NewType("InstanceId", str)
ClaimId = NewType("ClaimId", str)
ProjectId = NewType("ProjectId", str)
TokenId = NewType("TokenId", str)
ClassId = NewType("ClassId", int)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id() -> str:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def normalize_id(text: str) -> str | None:
    """`text` as a lower-case UUID, or None where it is not one."""
    lowered = text.strip().lower()
    return lowered if _UUID.fullmatch(lowered) else None
