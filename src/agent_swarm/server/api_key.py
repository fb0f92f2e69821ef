"""The operators' key of a server that was given none: made on the first start, in a file only its owner can read."""

import os
import stat
from pathlib import Path

from agent_swarm.config import SettingError
from agent_swarm.server.settings import ServerSettings
from agent_swarm.services.tokens import new_api_key

FILE_NAME = "api-key"


def find_api_key(settings: ServerSettings) -> str:
    """The key from the settings, else from `<data-dir>/api-key`, which is made where it is missing.

    Raises SettingError for a server that other machines can reach without a key of its own, and for a file that others
    can read.
    """
    if settings.api_key:
        return settings.api_key
    if not settings.is_loopback:
        raise SettingError(
            f"refusing to listen on {settings.host} without an API key: other machines can reach it",
            hint="set API_KEY (make one with: openssl rand -hex 32), or listen on 127.0.0.1",
        )
    path = settings.data_dir / FILE_NAME
    return _read(path) if os.path.lexists(path) else _make(path)


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(descriptor, encoding="utf-8") as file:
            status = os.fstat(descriptor)
            key = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingError(
            f"cannot read the API key in {path}: {exc}", hint=f"remove it to get a new one: rm {path}"
        ) from exc
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
        raise SettingError(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}), expected 0600",
            hint=f"run: chmod 600 {path} - or rm {path} to get a new key, if somebody may have read it",
        )
    if not key:
        raise SettingError(f"{path} is empty, expected the API key", hint=f"remove it to get a new one: rm {path}")
    return key


def _make(path: Path) -> str:
    """Write a new key under another name first: a crash must not leave half a key behind."""
    key = new_api_key()
    draft = path.with_name(f"{FILE_NAME}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        file.write(f"{key}\n")
        file.flush()
        os.fsync(descriptor)
    draft.rename(path)
    return key
