"""What an import did and what it did not: a summary for people and programs, and a file for what has no home here."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_swarm.importing.foreign import Foreign, Kept
from agent_swarm.importing.plan import Plan

FOLDER = "imports"  # in the data directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, or would be; `report` is the file with what was kept, `backup` that with plain secrets."""

    system: str
    source: Path
    target: str
    is_dry_run: bool
    new: Mapping[str, int]
    unchanged: Mapping[str, int]
    counted: Mapping[str, int]
    kept: tuple[Kept, ...]
    notes: tuple[str, ...]
    report: Path | None = None
    backup: Path | None = None

    @property
    def is_unchanged(self) -> bool:
        """There was nothing to write."""
        return not any(self.new.values())

    @property
    def problems(self) -> tuple[Kept, ...]:
        """What should have been imported and could not be."""
        return tuple(one for one in self.kept if one.is_problem)

    def as_json(self) -> dict[str, Any]:
        """The summary for programs."""
        return {
            "system": self.system,
            "source": str(self.source),
            "target": self.target,
            "dryRun": self.is_dry_run,
            "changed": not self.is_unchanged and not self.is_dry_run,
            "imported": dict(self.new),
            "unchanged": dict(self.unchanged),
            "ended": dict(self.counted),
            "kept": [_told(one) for one in self.kept],
            "notes": list(self.notes),
            "report": str(self.report) if self.report else None,
            "plainSecretsBackup": str(self.backup) if self.backup else None,
        }


def outcome(foreign: Foreign, plan: Plan, *, source: Path, target: str, dry_run: bool) -> Outcome:
    """What `plan` does."""
    kinds = ("agents", "projects", "swarms", "tasks", "messages", "schedules", "config")
    return Outcome(
        system=foreign.system,
        source=source,
        target=target,
        is_dry_run=dry_run,
        new={kind: plan.new[kind] for kind in kinds},
        unchanged={kind: plan.unchanged[kind] for kind in kinds},
        counted=foreign.counted,
        kept=tuple(plan.kept),
        notes=tuple(plan.notes),
    )


def write_report(data_dir: Path, foreign: Foreign, plan: Plan) -> Path | None:
    """The file with all that was kept, readable by this user alone; None where nothing was.

    Its name comes from its content, so that the same import again leaves the same file.
    """
    if not plan.kept:
        return None
    content = {"system": foreign.system, "kept": [{**_told(one), "content": dict(one.content)} for one in plan.kept]}
    text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{foreign.system}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    draft = path.with_name(f"{path.name}.unfinished")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
    return path


def _told(one: Kept) -> dict[str, Any]:
    return {"kind": one.kind, "sourceId": one.source_id, "reason": one.reason, "isProblem": one.is_problem}
