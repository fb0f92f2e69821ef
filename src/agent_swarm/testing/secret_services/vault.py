"""A Vault: KV version 2, tokens with policies and an end, AppRole, namespaces, a seal."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from agent_swarm.testing.secret_services.http import LoopbackServer, Reply, Request

FORBIDDEN = Reply(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
BAD_TOKEN = Reply(403, {"errors": ["permission denied"]})
NOTHING = Reply(404, {"errors": []})
SEALED = Reply(503, {"errors": ["Vault is sealed"]})


@dataclass(slots=True)
class _Token:
    policies: tuple[str, ...]  # path prefixes it may read
    until: float | None = None


@dataclass(slots=True)
class FakeVault(LoopbackServer):
    """`put("secret", "github", {"token": "…"})`, then `token("secret/data/")` may read it."""

    namespace: str = ""
    now: Callable[[], float] = lambda: 0.0
    is_sealed: bool = False
    lease_seconds: int = 3_600
    roles: dict[str, str] = field(default_factory=dict)  # role id -> secret id
    role_policies: tuple[str, ...] = ("secret/data/",)
    logins: int = 0
    _tokens: dict[str, _Token] = field(default_factory=dict)
    _kept: dict[str, list[Mapping[str, Any] | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        LoopbackServer.__init__(self)

    def put(self, mount: str, path: str, entries: Mapping[str, Any]) -> None:
        """Add a version."""
        self._kept.setdefault(f"{mount}/data/{path}", []).append(entries)

    def delete(self, mount: str, path: str) -> None:
        """Delete the newest version, as `vault kv delete` does."""
        self._kept[f"{mount}/data/{path}"][-1] = None

    def token(self, *policies: str, seconds: float | None = None) -> str:
        """A token that may read below these paths, for so long."""
        token = f"hvs.{secrets.token_urlsafe(24)}"
        self._tokens[token] = _Token(policies, None if seconds is None else self.now() + seconds)
        return token

    def revoke_all(self) -> None:
        """As after a restore: no token counts any more."""
        self._tokens.clear()

    def answer(self, request: Request) -> Reply:
        """As Vault 1.x answers."""
        parts = urlsplit(request.path)
        path = unquote(parts.path.removeprefix("/v1/"))
        if self.is_sealed:
            return SEALED
        if request.headers.get("x-vault-namespace", "").strip("/") != self.namespace:
            return NOTHING if path.startswith("auth/") else BAD_TOKEN
        if path.startswith("auth/approle/login"):
            return self._log_in(request)
        return self._read(request, path, parse_qs(parts.query))

    def _log_in(self, request: Request) -> Reply:
        body = json.loads(request.content)
        if request.method not in ("POST", "PUT") or self.roles.get(body.get("role_id")) != body.get("secret_id"):
            return Reply(400, {"errors": ["invalid role or secret ID"]})
        self.logins += 1
        token = self.token(*self.role_policies, seconds=self.lease_seconds)
        auth = {"client_token": token, "lease_duration": self.lease_seconds, "renewable": True, "token_type": "service"}
        return Reply(200, {"auth": auth, "data": None})

    def _read(self, request: Request, path: str, query: Mapping[str, list[str]]) -> Reply:
        token = self._tokens.get(request.headers.get("x-vault-token", ""))
        if token is None or (token.until is not None and self.now() >= token.until):
            return BAD_TOKEN
        if request.method != "GET" or not path.startswith(token.policies):
            return FORBIDDEN
        versions = self._kept.get(path, [])
        number = int(query.get("version", ["0"])[0]) or len(versions)
        if not 0 < number <= len(versions):
            return NOTHING
        entries = versions[number - 1]
        metadata = {"version": number, "destroyed": False, "deletion_time": "" if entries else "2026-01-01T00:00:00Z"}
        return Reply(200 if entries else 404, {"data": {"data": entries, "metadata": metadata}})
