"""Secrets in the server's environment: `env://NAME`."""

import os
from collections.abc import Mapping

from agent_swarm.vault.backends.errors import SecretDenied, SecretNotFound
from agent_swarm.vault.backends.references import Reference

# They rule the server itself; no pattern of allowed references lets a stored value hand them to an agent.
RESERVED = frozenset(
    {"API_KEY", "AGENT_SWARM_API_KEY", "SECRETS_ENCRYPTION_KEY", "AGENT_SWARM_DATABASE_URL", "AGENT_SWARM_NATS_URL"}
    | {"VAULT_TOKEN", "VAULT_SECRET_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)


class EnvironmentBackend:
    """The variables this process was started with."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def read(self, reference: Reference, *, seconds: float) -> str:
        """The value of the variable; an empty one counts as unset."""
        if reference.path.upper() in RESERVED:
            raise SecretDenied(
                f"{reference} is the server's own and is not handed out", hint="give the secret a variable of its own"
            )
        value = self._environ.get(reference.path, "")
        if not value:
            raise SecretNotFound(f"{reference} is not set in the server's environment", hint="set it and start anew")
        return value
