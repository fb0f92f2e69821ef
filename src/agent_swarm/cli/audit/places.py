"""Where the server of a data directory keeps its checkpoints and its key, by the same settings as the server's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_swarm import config
from agent_swarm.cli.address import server_data_dir

AUDIT_DIR, KEY_FILE = "AGENT_SWARM_AUDIT_DIR", "AGENT_SWARM_AUDIT_KEY_FILE"


@dataclass(frozen=True, slots=True)
class Places:
    """The folder of checkpoints and archives, and the file of the key."""

    folder: Path
    key: Path

    @property
    def checkpoints(self) -> Path:
        """The file of checkpoints."""
        return self.folder / "checkpoints.jsonl"

    @property
    def archives(self) -> Path:
        """The folder of archives."""
        return self.folder / "archives"


def places(data_dir: Path | None, environ: Mapping[str, str] | None = None) -> Places:
    """Those of the data directory that is named, by default of this machine's server."""
    environ = os.environ if environ is None else environ
    home = data_dir or server_data_dir(environ)
    toml = config.toml_section(home / "config.toml", "server")
    folder = environ.get(AUDIT_DIR, "").strip() or str(toml.get("audit_dir", "")).strip()
    key = environ.get(KEY_FILE, "").strip() or str(toml.get("audit_key_file", "")).strip()
    return Places(
        Path(folder).expanduser() if folder else home / "audit",
        Path(key).expanduser() if key else home / "audit-key",
    )
