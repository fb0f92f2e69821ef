"""Where accounts of agent CLIs are refreshed."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent_swarm.config import setting
from agent_swarm.domain.accounts import AccountKind


def _url(text: str) -> str:
    parts = urlsplit(text)
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_local)
    if not is_safe or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError(text)
    return text


@dataclass(frozen=True, kw_only=True)  # without slots: classes of several settings are joined
class AccountSettings:
    """Where accounts of agent CLIs are refreshed."""

    claude_token_url: str = setting(
        "https://console.anthropic.com/v1/oauth/token",
        env="AGENT_SWARM_CLAUDE_TOKEN_URL",
        help="where imported accounts of Claude Code are refreshed",
        parse=_url,
        expected="an https URL, or an http one of this machine",
    )
    codex_token_url: str = setting(
        "https://auth.openai.com/oauth/token",
        env="AGENT_SWARM_CODEX_TOKEN_URL",
        help="where imported accounts of Codex are refreshed",
        parse=_url,
        expected="an https URL, or an http one of this machine",
    )

    @property
    def token_urls(self) -> Mapping[AccountKind, str]:
        """By the kind of account."""
        return {AccountKind.CLAUDE: self.claude_token_url, AccountKind.CODEX: self.codex_token_url}
