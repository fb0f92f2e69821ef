"""Who this worker is: the AGENT_ID it was given, or the one it made for itself under this name earlier."""

import contextlib
import hashlib
import os
from pathlib import Path

from agent_swarm.config import SettingError
from agent_swarm.domain.ids import new_id, normalize_id


def agent_id_for(given: str, name: str, directory: Path) -> str:
    """`given` in lower case, or the id remembered in `directory` for `name`; the first call for a name makes one."""
    if given:
        return _checked(given, "AGENT_ID")
    remembered = directory / "by-name" / hashlib.sha256(name.encode()).hexdigest()[:32]
    if not remembered.exists():
        _remember(remembered, name)
    content = remembered.read_text(encoding="utf-8").split("\n", 1)[0]
    return _checked(content, str(remembered))


def _remember(path: Path, name: str) -> None:
    """Write a new id; of two processes that do so at the same time both go on with the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(f"{new_id()}\n{name}\n", encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _checked(text: str, origin: str) -> str:
    found = normalize_id(text)
    if found is None:
        raise SettingError(f"{origin}: {text!r} is not a UUID", hint="make one with uuidgen")
    return found
