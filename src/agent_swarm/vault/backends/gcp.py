"""Secrets in Google Secret Manager: `gcp-sm://project/name[/version]`. Needs the extra `cloud`.

Its one REST call, with credentials that google-auth finds as every program of Google's does: a service account's file,
federation with another cloud, or the metadata server of Cloud Run and Compute Engine.
"""

import base64
import binascii
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent_swarm.vault.backends.errors import (
    BackendUnavailable,
    BackendUnusable,
    SecretDenied,
    SecretNotFound,
    SecretUnusable,
)
from agent_swarm.vault.backends.fields import chosen, text_of
from agent_swarm.vault.backends.http import Answer, Client
from agent_swarm.vault.backends.references import Reference
from agent_swarm.vault.backends.settings import BackendSettings

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

WHO = "Google Secret Manager"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class GoogleBackend:
    """The Secret Manager of one endpoint, asked with the application default credentials."""

    def __init__(self, settings: BackendSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = settings.gcp_endpoint
        self._clock = clock
        self._client = Client(WHO, clock=clock)
        self._credentials: Credentials | None = None
        self._authorizing = threading.Lock()

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The newest version, or the one asked for."""
        give_up_at = self._clock() + seconds
        project, name, *version = reference.path.split("/")
        wanted = version[0] if version else "latest"
        url = f"{self._endpoint}/v1/projects/{project}/secrets/{name}/versions/{wanted}:access"
        answer = self._ask(url, give_up_at)
        if answer.status == 401:  # the token counts no more, or the file with the key was replaced
            self._credentials = None
            answer = self._ask(url, give_up_at)
        if answer.status != 200:
            raise refusal(answer, str(reference))
        payload = answer.json(WHO).get("payload")
        return chosen(text_of(_decoded(payload, reference), reference), reference)

    def _ask(self, url: str, give_up_at: float) -> Answer:
        headers = self._authorized(url, give_up_at)
        return self._client.send("GET", url, seconds=give_up_at - self._clock(), headers=headers)

    def _authorized(self, url: str, give_up_at: float) -> Mapping[str, str]:
        """The headers that say who asks; fetches a token where there is none that counts."""
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

        headers: dict[str, str] = {}
        with self._authorizing:
            asking = self._transport(give_up_at)
            try:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[SCOPE], request=asking)
                self._credentials.before_request(asking, "GET", url, headers)  # type: ignore[no-untyped-call]
            except DefaultCredentialsError:
                raise BackendUnusable(
                    "this server has no credentials for Google",
                    hint="set GOOGLE_APPLICATION_CREDENTIALS, or run where there is a metadata server",
                ) from None
            except RefreshError:
                raise SecretDenied(
                    "Google does not accept the credentials of this server", hint="check the service account's key"
                ) from None
            except (TransportError, GoogleAuthError):
                raise BackendUnavailable("Google gives out no token at present") from None
        return headers

    def _transport(self, give_up_at: float) -> Any:
        """What google-auth sends its own requests by: our client, within what is left of the time."""
        from google.auth import exceptions, transport

        class Request(transport.Request):
            def __call__(
                request,  # noqa: N805 - `self` is the backend here
                url: str,
                method: str = "GET",
                body: bytes | str | None = None,
                headers: Mapping[str, str] | None = None,
                timeout: float | None = None,
                **_: Any,
            ) -> Any:
                left = give_up_at - self._clock()
                content = body.encode() if isinstance(body, str) else body
                try:
                    answer = self._client.send(
                        method,
                        url,
                        seconds=left if timeout is None else min(left, timeout),
                        headers=headers,
                        content=content,
                    )
                except BackendUnavailable as exc:
                    raise exceptions.TransportError(exc.message) from None  # type: ignore[no-untyped-call]
                return _Response(answer)

        return Request()


class _Response:
    """An answer as google-auth reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.data = answer.content


def refusal(answer: Answer, what: str) -> Exception:
    """What a refusal of Google's means for `what` was asked for."""
    match answer.status:
        case 404:
            return SecretNotFound(f"Google has nothing at {what}", hint="check project, name and version")
        case 401 | 403:
            return SecretDenied(
                f"Google does not let this server read {what}",
                hint="give its service account the role Secret Manager Secret Accessor on it",
            )
        case 400:  # FAILED_PRECONDITION: the version is disabled or destroyed
            return SecretNotFound(f"Google keeps {what} no longer, or not now", hint="enable the version")
        case 429:
            return BackendUnavailable(f"{WHO} is asked too often", retry_after=answer.retry_after)
        case status if status >= 500:
            return BackendUnavailable(f"{WHO} answered {status}", retry_after=answer.retry_after)
        case status:
            return BackendUnavailable(f"{WHO} answered {status} to {what}", retry_after=None)


def _decoded(payload: Any, reference: Reference) -> bytes:
    data = payload.get("data") if isinstance(payload, dict) else None
    try:
        return base64.b64decode(data or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise SecretUnusable(f"{reference} did not come as Base64", hint="is this Google Secret Manager?") from None
