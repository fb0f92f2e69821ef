"""The AGENT_IDs of the agents that `up` runs, remembered by name so that a restart resumes what they had."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from agent_swarm.cli.failures import CommandFailed
from agent_swarm.domain.ids import new_id, normalize_id

FILE_NAME = "agents.json"


def remembered_ids(data_dir: Path, names: Sequence[str]) -> dict[str, str]:
    """The id of each name, as in `<data-dir>/agents.json`; new names are added there."""
    path = data_dir / FILE_NAME
    known = _read(path)
    missing = [name for name in names if name not in known]
    if missing:
        known.update({name: new_id() for name in missing})
        _write(path, known)
    return {name: known[name] for name in names}


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise CommandFailed(f"cannot read the agents' ids in {path}: {exc}", hint=_hint(path)) from exc
    if not isinstance(content, dict) or any(normalize_id(str(identifier)) is None for identifier in content.values()):
        raise CommandFailed(f"{path} does not map names to UUIDs", hint=_hint(path))
    return {str(name): str(identifier) for name, identifier in content.items()}


def _write(path: Path, known: dict[str, str]) -> None:
    draft = path.with_name(f"{FILE_NAME}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        draft.rename(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise CommandFailed(f"cannot write {path}: {exc.strerror}", hint="choose another --data-dir") from exc


def _hint(path: Path) -> str:
    return f"correct it, or remove it to get new agents: rm {path}"
