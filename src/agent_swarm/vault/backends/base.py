"""What a secret backend is."""

from typing import Protocol

from agent_swarm.vault.backends.references import Reference

LARGEST_BYTES = 65_536  # what Google and AWS take at most; more is no secret but a file


class SecretBackend(Protocol):
    """A place where secrets are kept.

    `read` blocks, for at most about `seconds`, and may be called from several threads. It answers the value, or raises
    one of `errors`; it neither repeats nor remembers anything, which is for `reading` and `resolver`.
    """

    def read(self, reference: Reference, *, seconds: float) -> str: ...
