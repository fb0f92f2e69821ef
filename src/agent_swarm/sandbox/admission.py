"""What every provider checks before it opens a sandbox."""

import re
from collections.abc import Collection

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.sandbox.base import SandboxCapability, SandboxSpec
from agent_swarm.sandbox.errors import CannotEnforce

_RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")  # it becomes part of file names and of an environment entry


def admit(spec: SandboxSpec, provider: str, capabilities: Collection[SandboxCapability]) -> None:
    """Refuse a run that cannot be named (InvalidInput), or needs what the provider cannot enforce (CannotEnforce)."""
    if not _RUN_ID.fullmatch(spec.run_id):
        raise InvalidInput(
            f"run id {spec.run_id!r} cannot name a run",
            hint="expected 1 to 128 letters, digits, dots, dashes and underscores",
        )
    if lacking := spec.needs.difference(capabilities):
        raise CannotEnforce(
            f"sandbox {provider!r} cannot enforce {', '.join(sorted(lacking))} on this host",
            hint="use a sandbox that can: agent-swarm doctor says what this host lacks for one",
        )
