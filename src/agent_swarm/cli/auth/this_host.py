"""What the workers of this machine know of their credentials."""

from agent_swarm.cli.workers_dir import workers_dir
from agent_swarm.worker.credential_book import CredentialBook, Entry


def credentials_here() -> list[tuple[str, Entry]]:
    """By name, each with its fingerprint."""
    return sorted(CredentialBook(workers_dir()).read().items(), key=lambda item: (item[1].name, item[0]))
