"""One HTTP request to a secret backend, with bounds: how long it takes, how large the answer is, where it goes.

Redirects are not followed: they would take the credentials in the headers to whoever the answer names. Certificates
are checked. The proxy variables of the environment count, as for every program.
"""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent_swarm.vault.backends.errors import BackendUnavailable, BackendUnusable

LARGEST_ANSWER = 1_048_576
_CHUNK = 65_536
_UNREADABLE = "it answered something that is not what it answers"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes

    def json(self, who: str) -> dict[str, Any]:
        """The body of a good answer. Raises BackendUnavailable for what is no JSON object: a proxy's page, say."""
        try:
            body = json.loads(self.content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise BackendUnavailable(f"{who}: {_UNREADABLE}", hint="check its address", retry_after=None)
        return body

    @property
    def retry_after(self) -> float:
        """How long it asks to be left alone, in seconds; 0 where it does not say so as a number."""
        told = self.headers.get("retry-after", "")
        return float(told) if told.isdigit() else 0.0


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to one backend; `who` is its name in errors, `certificates` a file of authorities to trust."""

    who: str
    certificates: Path | None = None
    clock: Callable[[], float] = time.monotonic

    def send(
        self,
        method: str,
        url: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """The answer, a refusal included. Raises BackendUnavailable where none comes in time."""
        give_up_at = self.clock() + seconds
        request = urllib.request.Request(url, data=content, headers=dict(headers or {}), method=method)  # noqa: S310 - the scheme was checked by `base_url`
        try:
            with self._open(request, seconds) as response:
                return Answer(response.status, _lower(response.headers), self._body(response, give_up_at))
        except urllib.error.HTTPError as exc:
            with exc:
                return Answer(exc.code, _lower(exc.headers), self._body(exc, give_up_at))
        except (OSError, http.client.HTTPException) as exc:
            raise BackendUnavailable(
                f"{self.who} cannot be reached: {_reason(exc)}",
                hint="check its address, the network and its certificate",
            ) from None

    def _open(self, request: urllib.request.Request, seconds: float) -> Any:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if request.type == "https":
            handlers.append(urllib.request.HTTPSHandler(context=self._tls()))
        return urllib.request.build_opener(*handlers).open(request, timeout=max(seconds, 0.001))

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.certificates)
        except (OSError, ssl.SSLError):
            raise BackendUnusable(
                f"the certificates in {self.certificates} cannot be used", hint="name a file of PEM certificates"
            ) from None

    def _body(self, response: Any, give_up_at: float) -> bytes:
        """At most `LARGEST_ANSWER` bytes; who sends a byte now and then is given up, too."""
        content = b""
        while chunk := response.read1(_CHUNK):
            content += chunk
            if len(content) > LARGEST_ANSWER or self.clock() > give_up_at:
                raise BackendUnavailable(f"{self.who} answers too much, or too slowly", retry_after=None)
        return content


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def base_url(text: str) -> str:
    """The address of a backend without its last slash. Raises ValueError for what is no http or https URL."""
    parts = urlsplit(text)
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise ValueError(text)
    return text.rstrip("/")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _reason(exc: BaseException) -> str:
    inner = exc.reason if isinstance(exc, urllib.error.URLError) else exc
    if isinstance(inner, TimeoutError):
        return "it did not answer in time"
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({inner.verify_message})"
    strerror = inner.strerror if isinstance(inner, OSError) else ""
    return strerror or type(inner).__name__
