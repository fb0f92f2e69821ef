"""Where a project's repository is and how to get in, without the credentials showing anywhere.

Credentials in a URL would be visible in process lists, in files of the mirror and in git's own messages. They are cut
out here and reach git through its environment only.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from agent_swarm.domain.errors import InvalidInput

_SCHEMES = frozenset({"http", "https", "ssh", "git", "file"})
_SCP_LIKE = re.compile(r"(?!-)[\w.@\[\]-]+:(?!//|:)(?!-).+")
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*)://([^/\s'\"]*)@", re.IGNORECASE)
_USER_VARIABLE = "AGENT_SWARM_GIT_USERNAME"
_PASSWORD_VARIABLE = "AGENT_SWARM_GIT_PASSWORD"  # noqa: S105 - the name of a variable
_ANSWER = f'printf "username=%s\\npassword=%s\\n" "${_USER_VARIABLE}" "${_PASSWORD_VARIABLE}"'
_HELPER = f'!f() {{ test "$1" = get && {_ANSWER}; }}; f'


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the credentials of any URL in it and without `secrets`, which may also occur percent-encoded."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return _USERINFO.sub(_redact_userinfo, text)


def _redact_userinfo(match: re.Match[str]) -> str:
    scheme, userinfo = match.groups()
    # ssh://git@host names an account and no secret; in an HTTP URL a lone user name is usually a token.
    harmless = scheme.lower() in ("ssh", "git") and ":" not in userinfo
    return match[0] if harmless else f"{scheme}://***@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """The address of a repository, taken apart."""

    url: str  # without credentials
    local_path: str | None = None  # where the repository is on this host
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Understand `https://`, `ssh://`, `git://`, `file://`, `user@host:path` and absolute paths.

        Anything else raises InvalidInput: relative paths mean something else on every host, and transports such as
        `ext::` run commands.
        """
        if not url or url != url.strip() or any(ord(character) < 32 for character in url):
            raise InvalidInput(
                "the project's URL is empty or has blanks or control characters around or in it", hint=_HINT
            )
        if url.startswith("/"):
            return cls(url=url, local_path=url)
        if "://" not in url:
            if _SCP_LIKE.fullmatch(url):
                return cls(url=url)
            raise InvalidInput(f"not an address of a git repository: {redact(url)!r}", hint=_HINT)
        return cls._parse_url(url)

    @classmethod
    def _parse_url(cls, url: str) -> Self:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.path or (parts.scheme == "file") != (not parts.netloc):
            raise InvalidInput(f"not an address of a git repository: {redact(url)!r}", hint=_HINT)
        if parts.scheme == "file":
            return cls(url=url, local_path=unquote(parts.path))
        userinfo, _, host = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        if parts.scheme in ("http", "https"):
            clean = urlunsplit(parts._replace(netloc=host))
            # A lone user name is a token: git sends it with an empty password, which is what GitHub and others expect.
            return cls(url=clean, username=unquote(user), password=unquote(password)) if userinfo else cls(url=clean)
        return cls(url=urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host)))  # SSH takes no password

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in any message."""
        token = (self.username or "") if not self.password else ""
        return tuple(secret for secret in (self.password, token) if secret)

    def options(self) -> tuple[str, ...]:
        """`-c` options: take the credentials from the environment, and only from there.

        The empty helper first switches off the user's own helpers, which would otherwise store what they see.
        """
        if self.username is None:
            return ()
        return ("-c", "credential.helper=", "-c", f"credential.helper={_HELPER}")

    def env(self) -> Mapping[str, str]:
        """The variables that `options` refers to."""
        if self.username is None:
            return {}
        return {_USER_VARIABLE: self.username, _PASSWORD_VARIABLE: self.password or ""}

    def serving(self, service: str) -> tuple[str, ...]:
        """How git starts `service` (`upload-pack` or `receive-pack`) for a repository on this host.

        Git refuses to serve a repository that belongs to another user (CVE-2024-32004). A worker in a container runs as
        root on the user's checkout, so that would be the normal case. The operator named exactly this path as the
        project, hence exactly this path is declared safe, never `*`. It has to be done inside the service's command:
        git clears `-c` options and GIT_CONFIG_COUNT from the environment of the service it starts.
        """
        if self.local_path is None:
            return ()
        paths = dict.fromkeys([self.local_path.rstrip("/"), str(Path(self.local_path).resolve())])
        safe = [option for path in paths for git_dir in (path, f"{path}/.git") for option in _declare_safe(git_dir)]
        return (f"--{service}={shlex.join(['git', *safe, service])}",)


def _declare_safe(path: str) -> tuple[str, str]:
    return ("-c", f"safe.directory={path}")


_HINT = "write https://host/owner/name.git, ssh://git@host/name.git, git@host:name.git, file:///path or /path"
