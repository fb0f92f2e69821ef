"""What the workers of this machine know of their credentials."""

import os
from pathlib import Path

from agent_swarm import config
from agent_swarm.worker.credential_book import CredentialBook, Entry


def credentials_here() -> list[tuple[str, Entry]]:
    """By name, each with its fingerprint."""
    named = os.environ.get("AGENT_SWARM_WORKER_DIR", "").strip()
    folder: Path = config.path(named) if named else config.home() / "workers"
    return sorted(CredentialBook(folder).read().items(), key=lambda item: (item[1].name, item[0]))
