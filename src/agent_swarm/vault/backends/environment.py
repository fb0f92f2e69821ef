"""Secrets in the server's environment: `env://NAME`."""

import os
from collections.abc import Mapping

from agent_swarm.vault.backends.errors import SecretDenied, SecretNotFound
from agent_swarm.vault.backends.references import Reference

# They rule the server itself; no pattern of allowed references lets a stored value hand them to an agent.
RESERVED = frozenset(
    {"API_KEY", "SECRETS_ENCRYPTION_KEY", "SECRETS_ENCRYPTION_KEY_PREVIOUS"}
    | {"VAULT_TOKEN", "VAULT_SECRET_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)
_OWN_PREFIX = "AGENT_SWARM_"


class EnvironmentBackend:
    """The variables this process was started with."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The value of the variable; an empty one counts as unset."""
        if (name := reference.path.upper()) in RESERVED or name.startswith(_OWN_PREFIX):
            raise SecretDenied(
                f"{reference} is the server's own and is not handed out", hint="give the secret a variable of its own"
            )
        value = self._environ.get(reference.path, "")
        if not value:
            raise SecretNotFound(f"{reference} is not set in the server's environment", hint="set it and start anew")
        return value
