"""A provider of accounts whose refresh tokens count once, for tests: it speaks the token endpoint of OAuth."""

import json
import time
from typing import Any

from agent_swarm.testing.secret_services.http import LoopbackServer, Reply, Request

LASTS_SECONDS = 8 * 3600


class AccountProvider(LoopbackServer):
    """Use it as `with AccountProvider() as provider`. With `grace` the last refresh token can be sent once more."""

    def __init__(self, *, grace: bool = False) -> None:
        super().__init__()
        self._grace = grace
        self._number = 0
        self.refused: list[str] = []

    @property
    def refresh_token(self) -> str:
        """The one that counts now."""
        return f"refresh-token-{self._number}"

    @property
    def access_token(self) -> str:
        """The one that was given last."""
        return f"access-token-{self._number}"

    def answer(self, request: Request) -> Reply:
        """The next pair of tokens, or the refusal of RFC 6749, 5.2."""
        asked = json.loads(request.content)
        given = asked.get("refresh_token")
        accepted = {self.refresh_token} | ({f"refresh-token-{self._number - 1}"} if self._grace else set())
        if asked.get("grant_type") != "refresh_token" or not asked.get("client_id") or given not in accepted:
            self.refused.append(str(given))
            return Reply(400, {"error": "invalid_grant"})
        self._number += 1
        told = {"access_token": self.access_token, "refresh_token": self.refresh_token, "expires_in": LASTS_SECONDS}
        return Reply(200, told)

    def claude_file(self, *, lasts: float = LASTS_SECONDS, access_token: str = "") -> str:
        """What Claude Code would have on disk for the pair that counts now."""
        tokens: dict[str, Any] = {
            "accessToken": access_token or self.access_token,
            "refreshToken": self.refresh_token,
            "expiresAt": round((time.time() + lasts) * 1000),
            "scopes": ["user:inference"],
        }
        return json.dumps({"claudeAiOauth": tokens})
