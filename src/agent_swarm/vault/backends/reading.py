"""Fetching one secret, for who can wait: in a thread, or before a server starts.

Allowed or not, which backend, and how often to ask again: all backends have this in common, so none of them repeats.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from agent_swarm.vault.backends.base import SecretBackend
from agent_swarm.vault.backends.catalog import BUILDERS, Build
from agent_swarm.vault.backends.errors import BackendUnavailable, SecretNotFound
from agent_swarm.vault.backends.references import EVERYTHING, Allowed, Reference
from agent_swarm.vault.backends.settings import BackendSettings

FIRST_PAUSE = 0.2  # seconds; doubled each time
LONGEST_PAUSE = 5.0


class Reads(Protocol):
    """Fetches what a reference names, within `seconds`."""

    def __call__(self, reference: Reference, *, seconds: float) -> str: ...


class SecretReader:
    """Fetches secrets from the backends of these settings, which it makes when they are first needed."""

    def __init__(
        self,
        settings: BackendSettings,
        *,
        allowed: Allowed | None = None,
        builders: Mapping[str, Build] = BUILDERS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._allowed = settings.allowed if allowed is None else allowed
        self._builders = builders
        self._backends: dict[str, SecretBackend] = {}
        self._building = threading.Lock()
        self._clock = clock
        self._pause = pause

    def __call__(self, reference: Reference, *, seconds: float) -> str:
        """The secret. Raises one of `errors`; a backend that is busy is asked again as long as there is time."""
        self._allowed.require(reference)
        backend = self._backend(reference.scheme)
        give_up_at = self._clock() + seconds
        tries = 0
        while True:
            tries += 1
            try:
                return _not_empty(backend.read(reference, seconds=give_up_at - self._clock()), reference)
            except BackendUnavailable as busy:
                wait = pause_before_next(tries, asked_for=busy.retry_after, left=give_up_at - self._clock())
                if wait is None:
                    raise
            self._pause(wait)

    def require_usable(self, reference: Reference) -> None:
        """Raise SecretDenied or BackendUnusable where the reference could never be followed here; asks no backend."""
        self._allowed.require(reference)
        self._backend(reference.scheme)

    def _backend(self, scheme: str) -> SecretBackend:
        with self._building:
            if scheme not in self._backends:
                self._backends[scheme] = self._builders[scheme](self._settings, self._allowed)
            return self._backends[scheme]


def pause_before_next(tries: int, *, asked_for: float | None, left: float) -> float | None:
    """How long to wait before the next try, in seconds; None where there should be none.

    `asked_for` is what the backend said: at least that long, None for not at all.
    """
    if asked_for is None:
        return None
    wait = max(asked_for, min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE))
    return wait if wait < left else None


def read_trusted(reference: Reference, settings: BackendSettings) -> str:
    """A secret that the server's own settings name, such as its master key: whatever they name is allowed."""
    return SecretReader(settings, allowed=EVERYTHING)(reference, seconds=settings.timeout_seconds)


def _not_empty(value: str, reference: Reference) -> str:
    if not value:
        raise SecretNotFound(f"{reference} is empty", hint="store a value there")
    return value
