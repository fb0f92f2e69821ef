"""`python -m agent_swarm.worker`: a worker with its settings from config.toml and the environment."""

import sys

from agent_swarm.domain.errors import SwarmError
from agent_swarm.worker.main import run_worker
from agent_swarm.worker.settings import load_settings


def main() -> int:
    """Answers the exit code."""
    try:
        settings = load_settings()
    except SwarmError as exc:
        sys.stderr.write(f"error: {exc.message} ({exc.hint})\n")
        return 1
    return run_worker(settings)


if __name__ == "__main__":
    sys.exit(main())
