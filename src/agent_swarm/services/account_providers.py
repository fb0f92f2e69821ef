"""Asks the providers of accounts for the next pair of tokens (RFC 6749, section 6)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_swarm.domain.accounts import Account, AccountKind
from agent_swarm.services.accounts import RefreshRefused
from agent_swarm.vault.backends.errors import BackendUnavailable
from agent_swarm.vault.backends.http import Client

SECONDS = 30.0
# What the agent CLIs call themselves: tokens that one got can be refreshed under its id alone.
_CLIENTS = {
    AccountKind.CLAUDE: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
    AccountKind.CODEX: "app_EMoamEEZ73f0CkXaXp7hrann",
}
_REFUSALS = (400, 401)  # others, such as a proxy's 403, say nothing of the token


@dataclass(frozen=True, slots=True)
class Providers:
    """`urls` are the token endpoints. Meets `services.accounts.Refresh`."""

    urls: Mapping[AccountKind, str]

    def __call__(self, account: Account) -> Mapping[str, Any]:
        """What the provider answers. Raises RefreshRefused, and BackendUnavailable where it may answer later."""
        asked = {
            "grant_type": "refresh_token",
            "refresh_token": account.refresh_token,
            "client_id": _CLIENTS[account.kind],
        }
        answer = Client(f"the provider of {account.kind} accounts").send(
            "POST",
            self.urls[account.kind],
            seconds=SECONDS,
            headers={"content-type": "application/json", "accept": "application/json"},
            content=json.dumps(asked).encode(),
        )
        if answer.status in _REFUSALS:
            raise RefreshRefused(f"it was answered with status {answer.status}")
        if answer.status != 200:
            raise BackendUnavailable(f"it was answered with status {answer.status}")
        return answer.json("the provider of accounts")
