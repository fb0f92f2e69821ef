"""The one-time copy of secrets that lay in plain text: `<database>.backup.secrets-DATE.env`.

It is made before they are encrypted. Whoever loses the encryption key at once still has them; whoever has checked the
key deletes the file.
"""

import json
import os
from collections.abc import Sequence
from datetime import date
from itertools import count
from pathlib import Path

from agent_swarm.importing.foreign import ForeignEntry

HEAD = "# Secrets in PLAIN TEXT. Delete this file as soon as the encryption key is safely backed up.\n"


def write_backup(database: Path, entries: Sequence[ForeignEntry], today: date) -> Path | None:
    """The file, readable by this user alone; None where there is nothing to keep. Earlier ones stay."""
    if not entries:
        return None
    database.parent.mkdir(parents=True, exist_ok=True)
    name = f"{database.name}.backup.secrets-{today.isoformat()}"
    names = (f"{name}{f'-{number}' if number > 1 else ''}.env" for number in count(1))
    path = next(place for one in names if not (place := database.with_name(one)).exists())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(HEAD)
        file.writelines(_line(entry) for entry in entries)
        file.flush()
        os.fsync(descriptor)
    return path


def _line(entry: ForeignEntry) -> str:
    """`KEY="value"`, as shells and env files read it; where it is not global a comment says for what."""
    place = f"# {entry.scope} {entry.scope_id}\n" if entry.scope_id else ""
    quoted = json.dumps(entry.value, ensure_ascii=False).replace("$", "\\$").replace("`", "\\`")
    return f"{place}{entry.key}={quoted}\n"
