"""The tokens of sessions: JSON Web Tokens (RFC 7519) as this server makes them, and none but those.

An access token is shown with requests, a refresh token is changed for the next pair; they differ in audience and type,
so that neither passes as the other. One algorithm, HS256: only servers of one database make and check them, and those
share a secret anyway. The header has to be exactly what we write: `alg` chooses nothing, and no key or address in it is
looked at. Whether a session still goes on is not in a token but in the database (`services/sessions`).

Instants in tokens are whole seconds. Clocks of servers may differ by `SKEW`: a token counts that long after its end,
and may come from that far ahead.
"""

import asyncio
import base64
import binascii
import importlib
import json
import re
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agent_swarm.domain.errors import Unauthenticated
from agent_swarm.domain.ids import new_id, normalize_id
from agent_swarm.domain.time import SECOND

ALGORITHM = "HS256"
ISSUER = "agent-swarm"
SKEW = 5 * SECOND
LONGEST = 2_048  # characters; ours have about 450
KEY_BYTES = 32

_PART = r"[A-Za-z0-9_-]+"
_SHAPE = re.compile(rf"{_PART}\.{_PART}\.{_PART}")
_HINT = "log in again: POST /api/auth/token"


class Use(StrEnum):
    """What a token is for; its value is the audience."""

    ACCESS = "agent-swarm:api"
    REFRESH = "agent-swarm:refresh"

    @property
    def type(self) -> str:
        """The `typ` of the header; RFC 9068 names the first one."""
        return "at+jwt" if self is Use.ACCESS else "rt+jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key as it is used, its secret opened."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says. Instants are microseconds; `number` tells refresh tokens of a session apart, 0 in others."""

    owner: str
    session_id: str
    epoch: int
    issued_at: int
    expires_at: int
    number: int = 0


async def prepared() -> None:
    """Have the library imported, beside the event loop: it brings in `cryptography`, 0.2 s and 25 MB of it.

    A server on which nobody logs in saves both.
    """
    if "jwt" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "jwt")


def looks_like_one(token: str) -> bool:
    """Whether this could be a token of a session; other kinds of token do not look like it."""
    return token.startswith("eyJ") and len(token) <= LONGEST and _SHAPE.fullmatch(token) is not None


def issue(use: Use, claims: Claims, key: SigningKey) -> str:
    """The signed token."""
    import jwt

    body = {
        "iss": ISSUER,
        "aud": use.value,
        "sub": claims.owner,
        "sid": claims.session_id,
        "epoch": claims.epoch,
        "iat": claims.issued_at // SECOND,
        "exp": claims.expires_at // SECOND,
        "jti": new_id(),
        **({"num": claims.number} if use is Use.REFRESH else {}),
    }
    return jwt.encode(body, key.secret, algorithm=ALGORITHM, headers={"typ": use.type, "kid": key.id})


def key_id_of(use: Use, token: str) -> str:
    """The id of the key that a token says it is signed with; raises Unauthenticated where its header is not ours."""
    if not looks_like_one(token):
        raise _refused("it is not a token of a session")
    try:
        header = json.loads(_decoded(token.partition(".")[0]))
    except (ValueError, RecursionError, binascii.Error):
        raise _refused("its header cannot be read") from None
    kid = header.get("kid") if isinstance(header, dict) else None
    if header != {"alg": ALGORITHM, "typ": use.type, "kid": kid} or not _is_id(kid):
        raise _refused("it is not one that this server makes")
    return str(kid)


def read(use: Use, token: str, key: SigningKey, *, now: int) -> Claims:
    """What a token says, its signature, audience, issuer and time checked. Raises Unauthenticated.

    `key` is the one of `key_id_of`.
    """
    import jwt

    try:
        body = jwt.decode(
            token,
            key.secret,
            algorithms=[ALGORITHM],
            audience=use.value,
            issuer=ISSUER,
            # Times are compared below, by the store's clock.
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_signature": True},
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise _refused(_REASONS.get(type(exc).__name__, "its signature is wrong")) from None
    claims = _claims(use, body)
    if claims.expires_at + SKEW <= now:
        raise _refused("it has expired")
    if claims.issued_at - SKEW > now:
        raise _refused("it comes from the future; are the servers' clocks set?")
    return claims


_REASONS = {
    "InvalidAudienceError": "it is for another audience",
    "InvalidIssuerError": "somebody else made it",
    "MissingRequiredClaimError": "it lacks a claim",
}
_TEXTS, _NUMBERS = ("sub", "sid"), ("epoch", "iat", "exp")


def _claims(use: Use, body: dict[str, Any]) -> Claims:
    """Ours are signed, so this only fails where an older or newer version made the token."""
    numbers = (*_NUMBERS, "num") if use is Use.REFRESH else _NUMBERS
    sound = all(type(body.get(name)) is str for name in _TEXTS) and all(
        type(body.get(name)) is int and 0 <= body[name] < 2**40 for name in numbers
    )
    if not sound:
        raise _refused("it lacks a claim")
    return Claims(
        owner=body["sub"],
        session_id=body["sid"],
        epoch=body["epoch"],
        issued_at=body["iat"] * SECOND,
        expires_at=body["exp"] * SECOND,
        number=body.get("num", 0),
    )


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _is_id(kid: object) -> bool:
    return isinstance(kid, str) and normalize_id(kid) == kid


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(f"this token does not count: {reason}", hint=_HINT)
