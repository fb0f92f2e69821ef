"""Secrets in files: `file:///run/secrets/token`, one per file as Docker and Kubernetes mount them, or `#key` of one.

A file is read anew each time, so that what the platform replaces counts from the next look-up on.
"""

import os
import stat
from pathlib import Path

from agent_swarm.vault.backends.base import LARGEST_BYTES
from agent_swarm.vault.backends.errors import BackendUnavailable, SecretDenied, SecretNotFound, SecretUnusable
from agent_swarm.vault.backends.fields import chosen, text_of
from agent_swarm.vault.backends.references import Allowed, Reference


class FileBackend:
    """Files that the server's user may read; where links lead has to be allowed, too."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The content without the line ending at its end."""
        text = text_of(self._content(reference), reference)
        return chosen(text, reference).removesuffix("\n").removesuffix("\r")

    def _content(self, reference: Reference) -> bytes:
        real = Path(os.path.realpath(reference.path))
        if not self._allowed.has(f"file://{real}"):
            raise SecretDenied(
                f"{reference} leads to another place, which this server does not allow",
                hint="allow the place that the link leads to, or put the file itself there",
            )
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise SecretNotFound(f"{reference} is not there", hint="check that the secret is mounted") from None
        except PermissionError:
            raise SecretDenied(f"{reference} may not be read by the server's user", hint="check its owner") from None
        except OSError as exc:
            raise BackendUnavailable(f"{reference} cannot be opened: {exc.strerror}", retry_after=None) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretUnusable(f"{reference} is not a file", hint="name a file, not the directory it is in")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(LARGEST_BYTES + 1)
        finally:
            os.close(descriptor)
