"""Where the workers of this machine keep their files, for commands that look into them."""

import os
from pathlib import Path

from agent_swarm import config


def workers_dir() -> Path:
    """AGENT_SWARM_WORKER_DIR, then where `up --data-dir` has them, then the default."""
    if named := os.environ.get("AGENT_SWARM_WORKER_DIR", "").strip():
        return config.path(named)
    data_dir = os.environ.get("DATA_DIR", "").strip()
    of_up = config.path(data_dir) / "workers" if data_dir else None
    return of_up if of_up is not None and of_up.is_dir() else config.home() / "workers"
