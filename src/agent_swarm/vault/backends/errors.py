"""What can go wrong with a secret that is kept elsewhere.

    SwarmError
    ├── InvalidInput
    │   └── InvalidReference       the text names no secret
    ├── NotFound
    │   └── SecretNotFound         nothing is kept there
    ├── Denied
    │   └── SecretDenied           the backend, or the list of allowed references, says no
    ├── Unavailable
    │   └── BackendUnavailable     it cannot answer now
    ├── SecretUnusable             what is kept there is not what was expected
    └── BackendUnusable            this server lacks a setting or a package for it

A message names the reference and never what it stands for. What a backend itself says goes into a message only where it
is known to hold no secret.
"""

from agent_swarm.domain.errors import Denied, InvalidInput, NotFound, SwarmError, Unavailable


class InvalidReference(InvalidInput):
    """A stored value that begins like a secret reference names no secret."""

    code = "invalidReference"


class SecretNotFound(NotFound):
    """A secret reference names something that its backend does not keep."""

    code = "secretNotFound"


class SecretDenied(Denied):
    """A secret reference may not be followed: by the server's settings, or by its backend."""

    code = "secretDenied"


class BackendUnavailable(Unavailable):
    """A secret backend cannot answer at present."""

    code = "backendUnavailable"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = 0.0) -> None:
        """`retry_after` None: it is of no use to ask again soon; else the least pause in seconds."""
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class SecretUnusable(SwarmError):
    """What a secret backend keeps there cannot be used as a value."""

    code = "secretUnusable"


class BackendUnusable(SwarmError):
    """This server lacks a setting or a package that a secret backend needs."""

    code = "backendUnusable"
