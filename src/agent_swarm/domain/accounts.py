"""Accounts that people log in to with an agent CLI: what its file says, and what is kept of that. Pure.

The access token is for agents, and runs out. The refresh token makes the next pair, counts once, and is nobody's but
ours from the import on: a CLI that goes on using the same file would spend it.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from agent_swarm.domain.errors import InvalidInput

KEY_PREFIX = "account."  # of the keys that they are stored under; no variable can have such a name
NAME_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"
REFRESH_BEFORE_SECONDS = 3600.0  # of its end, so that a run that begins now can do something with a token
REFRESH_SECONDS = 120.0  # how long a refresh may be under way before somebody else tries


class AccountKind(StrEnum):
    """Whose agent CLI it is of."""

    CLAUDE = "claude"
    CODEX = "codex"


VARIABLES: Mapping[AccountKind, str] = {
    AccountKind.CLAUDE: "CLAUDE_CODE_OAUTH_TOKEN",
    AccountKind.CODEX: "CODEX_OAUTH",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is kept. Instants are Unix seconds; 0 means unknown, or never."""

    kind: AccountKind
    name: str
    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    account_id: str = ""
    expires_at: float = 0.0
    refreshed_at: float = 0.0
    refreshing_since: float = 0.0  # one is under way, or ended with its server
    problem: str = ""  # why it cannot be refreshed any more

    @property
    def key(self) -> str:
        """What it is stored under."""
        return key_of(self.kind, self.name)

    @property
    def credential(self) -> str:
        """As its variable holds it."""
        return f"{self.account_id}:{self.access_token}" if self.kind is AccountKind.CODEX else self.access_token

    def is_usable(self, now: float) -> bool:
        """Whether agents can work with it."""
        return self.expires_at == 0 or self.expires_at > now

    def is_due(self, now: float) -> bool:
        """Whether it is to be refreshed, by whoever comes first."""
        is_running_out = self.expires_at > 0 and self.expires_at - now < REFRESH_BEFORE_SECONDS
        is_under_way = now - self.refreshing_since < REFRESH_SECONDS
        return bool(self.refresh_token) and not self.problem and is_running_out and not is_under_way

    def to_text(self) -> str:
        """As it is stored, encrypted."""
        return json.dumps(asdict(self))

    def refreshed(self, told: Mapping[str, Any], *, now: float) -> "Account":
        """With what the provider answered. Raises ValueError where that is no pair of tokens."""
        access = _text(told.get("access_token"))
        if not access:
            raise ValueError("no access token")
        lasts = told.get("expires_in")
        ends = now + lasts if isinstance(lasts, int | float) and not isinstance(lasts, bool) else _end_of(access)
        return replace(
            self,
            access_token=access,
            refresh_token=_text(told.get("refresh_token")) or self.refresh_token,
            expires_at=float(ends),
            refreshed_at=now,
            refreshing_since=0.0,
            problem="",
        )


def key_of(kind: AccountKind, name: str) -> str:
    """What an account is stored under."""
    return f"{KEY_PREFIX}{kind}.{name}"


def from_text(text: str) -> Account:
    """As it was stored. Raises ValueError."""
    try:
        stored = json.loads(text)
        return Account(**{**stored, "kind": AccountKind(stored["kind"])})
    except (TypeError, KeyError) as exc:
        raise ValueError("not an account") from exc


def from_file(kind: AccountKind, name: str, text: str) -> Account:
    """What the file of a CLI says. Raises InvalidInput, without a word of what is in it."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInput(
            f"name: {name[:60]!r} is no name of an account",
            hint="up to 40 lower-case letters, digits and hyphens, such as team-2",
            details={"field": "name"},
        )
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    found = _read(kind, name, told) if isinstance(told, dict) else None
    if found is None:
        raise InvalidInput(f"file: {_EXPECTED[kind]}", hint=_HINTS[kind], details={"field": "file"})
    return found


_EXPECTED = {
    AccountKind.CLAUDE: "expected Claude Code's .credentials.json, with claudeAiOauth.accessToken",
    AccountKind.CODEX: "expected Codex's auth.json of a login with ChatGPT, with tokens.access_token and account_id",
}
_HINTS = {
    AccountKind.CLAUDE: "log in with claude, then import ~/.claude/.credentials.json",
    AccountKind.CODEX: "log in with codex login, then import ~/.codex/auth.json; a key goes into OPENAI_API_KEY",
}


def _read(kind: AccountKind, name: str, told: Mapping[str, Any]) -> Account | None:
    tokens = told.get("claudeAiOauth" if kind is AccountKind.CLAUDE else "tokens")
    if not isinstance(tokens, dict):
        return None
    if kind is AccountKind.CLAUDE:
        access, refresh = _text(tokens.get("accessToken")), _text(tokens.get("refreshToken"))
        ends = tokens.get("expiresAt")  # milliseconds
        expires_at = ends / 1000 if isinstance(ends, int | float) and not isinstance(ends, bool) else 0.0
        account_id = ""
    else:
        access, refresh = _text(tokens.get("access_token")), _text(tokens.get("refresh_token"))
        account_id, expires_at = _text(tokens.get("account_id")), _end_of(access)
    if not access or (kind is AccountKind.CODEX and not account_id):
        return None
    return Account(
        kind=kind,
        name=name,
        access_token=access,
        refresh_token=refresh,
        account_id=account_id,
        expires_at=expires_at,
    )


def _end_of(token: str) -> float:
    """When a token that says so itself runs out (RFC 7519, 4.1.4); 0 where it does not. Nobody trusts it for more."""
    parts = token.split(".")
    if len(parts) != 3:
        return 0.0
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def _text(value: Any) -> str:
    """A token: one that can be told from its neighbours in a variable, and sent in a header."""
    is_token = isinstance(value, str) and value.isascii() and value.isprintable() and not set(value) & set(" ,")
    return value if is_token else ""
