"""The registry: which projects and tasks there are, and which operations on them have not ended.

SQLite in WAL mode, for its owner alone. Every command opens it, several at once; each change is one short transaction.
What a row says about a VM's status is what was last wanted; what is the case is asked of the VM (`reconcile`).
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from agent_swarm.vm.errors import UnknownVm, VmError, VmExists
from agent_swarm.vm.names import VmKind, VmRef
from agent_swarm.vm.registry_schema import bring_up_to_date

_BUSY_SECONDS = 15.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRow:
    """A VM as the registry knows it. `origin` is the base image of a project, the generation of a task's disk."""

    ref: VmRef
    project: str
    provider: str
    origin: str
    status: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Something that was begun on a VM, how far it went, and what is needed to end it or to undo it."""

    id: int
    kind: str
    vm_id: str
    step: str
    details: Mapping[str, Any]


class Registry:
    """An open registry. Use it in `with`, from one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """The registry in that file, made where it is missing, with the tables of this version."""
        try:
            _make_private(path)
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            connection.row_factory = sqlite3.Row
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
            bring_up_to_date(connection)
        except (OSError, sqlite3.Error) as exc:
            raise VmError(
                f"cannot use the registry {path}: {exc}",
                hint="put it right, or move it away: VMs stay in their folders, but are known no more",
            ) from exc
        return cls(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def connection(self) -> sqlite3.Connection:
        """For those who keep tables of their own in it (`variables.rows`)."""
        return self._connection

    # --- projects and tasks ---------------------------------------------------------------------------------------

    def find(self, ref: VmRef) -> VmRow | None:
        """The VM of that name, in whatever case it was written; None where there is none."""
        rows = self.projects() if ref.kind is VmKind.PROJECT else self.tasks()
        return next((row for row in rows if row.ref.folded == ref.folded), None)

    def get(self, ref: VmRef) -> VmRow:
        """The VM of that name; raises UnknownVm."""
        row = self.find(ref)
        if row is None:
            listing = "agent-swarm project list" if ref.kind is VmKind.PROJECT else "agent-swarm list"
            raise UnknownVm(f"there is no {ref}", hint=f"see what there is: {listing}")
        return row

    def require_absent(self, ref: VmRef) -> None:
        """Nothing where the name is free; raises VmExists otherwise."""
        if self.find(ref) is not None:
            verb = "project delete" if ref.kind is VmKind.PROJECT else "delete"
            raise VmExists(f"{ref} exists", hint=f"choose another name, or remove it: agent-swarm {verb} {ref.name}")

    def projects(self) -> list[VmRow]:
        """All projects, by name."""
        return [_project(row) for row in self._connection.execute("SELECT * FROM project ORDER BY name")]

    def tasks(self, project: str | None = None) -> list[VmRow]:
        """All tasks, or those of one project, by name."""
        rows = self._connection.execute("SELECT * FROM environment ORDER BY task")
        return [task for task in map(_task, rows) if project is None or task.project == project]

    def set_status(self, ref: VmRef, status: str) -> None:
        """Write down what the VM is to be from now on: running or stopped."""
        table, key = _TABLES[ref.kind]
        self._connection.execute(f"UPDATE {table} SET status = ? WHERE {key} = ?", (status, ref.name))  # noqa: S608 - names of ours

    # --- operations -----------------------------------------------------------------------------------------------

    def begin(self, kind: str, ref: VmRef, step: str, details: Mapping[str, Any]) -> int:
        """Write down that an operation begins, before it does anything; its number."""
        cursor = self._connection.execute(
            "INSERT INTO operation (kind, vm_id, step, details) VALUES (?, ?, ?, ?)",
            (kind, ref.vm_id, step, json.dumps(dict(details))),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def advance(self, operation: int, step: str) -> None:
        """Write down how far it went."""
        self._connection.execute("UPDATE operation SET step = ? WHERE id = ?", (step, operation))

    def unfinished(self) -> list[Operation]:
        """The operations that have not ended, oldest first: under way, or left by a command that died."""
        return [
            Operation(
                id=row["id"],
                kind=row["kind"],
                vm_id=row["vm_id"],
                step=row["step"],
                details=json.loads(row["details"]),
            )
            for row in self._connection.execute("SELECT * FROM operation ORDER BY id")
        ]

    @contextmanager
    def ending(self, operation: int) -> Iterator[None]:
        """What is written within counts together with the operation's end, or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("DELETE FROM operation WHERE id = ?", (operation,))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def add(self, row: VmRow) -> None:
        """A new project or task; raises VmExists where one has the name."""
        shared = (row.provider, row.ref.vm_id, row.origin, row.status)
        try:
            if row.ref.kind is VmKind.PROJECT:
                self._connection.execute(
                    "INSERT INTO project (name, provider, vm_id, base_image, status) VALUES (?, ?, ?, ?, ?)",
                    (row.ref.name, *shared),
                )
            else:
                self._connection.execute(
                    "INSERT INTO environment (task, project, provider, vm_id, base_image, status) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (row.ref.name, row.project, *shared),
                )
        except sqlite3.IntegrityError as exc:
            raise VmExists(f"{row.ref} exists", hint="choose another name") from exc

    def remove(self, ref: VmRef) -> None:
        """Forget a project or task, and a project's variables; nothing where it is unknown."""
        table, key = _TABLES[ref.kind]
        if ref.kind is VmKind.PROJECT:  # a later project of that name is another one
            self._connection.execute("DELETE FROM env_var WHERE scope = ?", (ref.name,))
        self._connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (ref.name,))  # noqa: S608 - names of ours


_TABLES = {VmKind.PROJECT: ("project", "name"), VmKind.TASK: ("environment", "task")}


def _project(row: sqlite3.Row) -> VmRow:
    return VmRow(ref=VmRef(VmKind.PROJECT, row["name"]), project=row["name"], **_shared(row))


def _task(row: sqlite3.Row) -> VmRow:
    return VmRow(ref=VmRef(VmKind.TASK, row["task"]), project=row["project"], **_shared(row))


def _shared(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "provider": row["provider"],
        "origin": row["base_image"] or "",
        "status": row["status"],
        "created_at": row["created_at"],
    }


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn a new file to WAL. SQLite does not wait by itself here: two that turn it at once get "locked" right away."""
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
        time.sleep(_POLL_SECONDS)


def _make_private(path: Path) -> None:
    """The file is its owner's alone before anything is in it; SQLite gives its companions the same mode."""
    with closing(os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))):
        path.chmod(0o600)
