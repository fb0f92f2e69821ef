"""Secrets in HashiCorp Vault, KV version 2: `vault://mount/data/path#key`.

Two requests of its HTTP API are all that is needed, so no client library is. A token is taken from the settings or
from a file that Vault Agent keeps fresh, or the server logs in with an AppRole and keeps the token until Vault
forgets it.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent_swarm.vault.backends.errors import BackendUnavailable, BackendUnusable, SecretDenied, SecretNotFound
from agent_swarm.vault.backends.fields import entry
from agent_swarm.vault.backends.http import Answer, Client
from agent_swarm.vault.backends.references import Reference
from agent_swarm.vault.backends.settings import BackendSettings

WHO = "Vault"
_SHARE = 0.9  # of a token's life: it is renewed by a new login before it lapses on the way


@dataclass(frozen=True, slots=True)
class _Login:
    token: str
    until: float  # on the clock of this backend


class VaultBackend:
    """One Vault, asked with one identity."""

    def __init__(self, settings: BackendSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        if not settings.vault_addr:
            raise BackendUnusable("this server knows no Vault", hint="set VAULT_ADDR")
        self._settings = settings
        self._clock = clock
        self._client = Client(WHO, settings.vault_cacert, clock)
        self._login: _Login | None = None
        self._logging_in = threading.Lock()

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The entry of the newest version, or of the one asked for."""
        give_up_at = self._clock() + seconds
        token, is_fresh = self._token(give_up_at)
        answer = self._ask(reference, token, give_up_at)
        if answer.status == 403 and self._settings.vault_role_id and not is_fresh:
            self._forget(token)  # it may have been revoked, or Vault was restored
            token, _ = self._token(give_up_at)
            answer = self._ask(reference, token, give_up_at)
        if answer.status != 200:
            raise refusal(answer, str(reference))
        return entry(_entries(answer, reference), reference)

    def _ask(self, reference: Reference, token: str, give_up_at: float) -> Answer:
        version = f"?version={reference.version}" if reference.version else ""
        return self._send("GET", f"{quote(reference.path)}{version}", give_up_at, {"X-Vault-Token": token})

    def _send(
        self, method: str, path: str, give_up_at: float, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer:
        namespace = self._settings.vault_namespace
        return self._client.send(
            method,
            f"{self._settings.vault_addr}/v1/{path}",
            seconds=give_up_at - self._clock(),
            headers={
                **headers,
                "X-Vault-Request": "true",
                **({"X-Vault-Namespace": namespace} if namespace else {}),
            },
            content=content,
        )

    # --- who asks -------------------------------------------------------------------------------------------------

    def _token(self, give_up_at: float) -> tuple[str, bool]:
        """The token to ask with, and whether it was made just now."""
        if self._settings.vault_token_file:
            return _line(self._settings.vault_token_file), False
        if self._settings.vault_token:
            return self._settings.vault_token, False
        if not self._settings.vault_role_id:
            raise BackendUnusable(
                "this server has nothing to show to Vault",
                hint="set VAULT_TOKEN, AGENT_SWARM_VAULT_TOKEN_FILE, or VAULT_ROLE_ID with its secret id",
            )
        with self._logging_in:
            if self._login is not None and self._clock() < self._login.until:
                return self._login.token, False
            self._login = self._log_in(give_up_at)
            return self._login.token, True

    def _forget(self, token: str) -> None:
        with self._logging_in:
            if self._login is not None and self._login.token == token:
                self._login = None

    def _log_in(self, give_up_at: float) -> _Login:
        settings = self._settings
        secret_id = _line(settings.vault_secret_id_file) if settings.vault_secret_id_file else settings.vault_secret_id
        body = json.dumps({"role_id": settings.vault_role_id, "secret_id": secret_id}).encode()
        path = f"auth/{quote(settings.vault_approle_mount)}/login"
        begun = self._clock()
        answer = self._send("POST", path, give_up_at, {"Content-Type": "application/json"}, body)
        if answer.status in (400, 403):
            raise SecretDenied(
                "Vault does not let this server log in with its AppRole",
                hint="check VAULT_ROLE_ID and its secret id, which may be used up or have expired",
            )
        if answer.status != 200:
            raise refusal(answer, "the login with an AppRole")
        auth = answer.json(WHO).get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
            raise BackendUnavailable("Vault answered a login without a token", retry_after=None)
        seconds = float(auth.get("lease_duration") or 0) or float("inf")
        return _Login(auth["client_token"], begun + seconds * _SHARE)


def refusal(answer: Answer, what: str) -> Exception:
    """What a refusal of Vault means for `what` was asked for. Vault's own words are left out: they may quote."""
    match answer.status:
        case 404:
            return SecretNotFound(
                f"Vault has nothing at {what}", hint="check mount, path and version; KV version 2 paths hold /data/"
            )
        case 403:
            return SecretDenied(
                f"Vault does not let this server read {what}",
                hint="its token may have expired, or lack a policy with read on that path",
            )
        case 429:
            return BackendUnavailable("Vault is asked too often", retry_after=answer.retry_after)
        case 503:
            return BackendUnavailable(
                "Vault is sealed or in maintenance", hint="unseal it: vault operator unseal", retry_after=None
            )
        case status if status >= 500 or status in (412, 472, 473):
            return BackendUnavailable(f"Vault answered {status}", retry_after=answer.retry_after)
        case status:
            return BackendUnavailable(f"Vault answered {status} to {what}", hint="check VAULT_ADDR", retry_after=None)


def _entries(answer: Answer, reference: Reference) -> Mapping[str, Any]:
    data = answer.json(WHO).get("data")
    entries = data.get("data") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        raise SecretNotFound(
            f"Vault has no entries at {reference}", hint="only KV version 2 is read, and deleted versions hold nothing"
        )
    return entries


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise BackendUnusable(f"{path} cannot be read: {reason}", hint="check the settings of Vault") from None
