"""A database of desplega-ai/agent-swarm, as far as its schema is known, and folders of the Swarm plugin."""

import base64
import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = bytes(range(32))
LEAD = "11111111-1111-4111-8111-111111111111"
CODER = "22222222-2222-4222-8222-222222222222"
REPO = "33333333-3333-4333-8333-333333333333"

SCHEMA = """
CREATE TABLE agents (id TEXT PRIMARY KEY, name TEXT NOT NULL, isLead INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL,
    description TEXT, role TEXT, capabilities TEXT DEFAULT '[]', maxTasks INTEGER DEFAULT 1, provider TEXT,
    harness_provider TEXT, createdAt TEXT, lastUpdatedAt TEXT);
CREATE TABLE agent_tasks (id TEXT PRIMARY KEY, agentId TEXT, creatorAgentId TEXT, task TEXT NOT NULL, title TEXT,
    status TEXT NOT NULL, source TEXT, taskType TEXT, tags TEXT DEFAULT '[]', priority INTEGER DEFAULT 50,
    dependsOn TEXT DEFAULT '[]', offeredTo TEXT, model TEXT, provider TEXT, vcsRepo TEXT, createdAt TEXT, output TEXT);
CREATE TABLE scheduled_tasks (id TEXT PRIMARY KEY, name TEXT, description TEXT, cronExpression TEXT, intervalMs INTEGER,
    runAt TEXT, taskTemplate TEXT, tags TEXT DEFAULT '[]', priority INTEGER DEFAULT 50, targetAgentId TEXT,
    targetType TEXT DEFAULT 'agent-task', timezone TEXT DEFAULT 'UTC', enabled INTEGER DEFAULT 1, model TEXT);
CREATE TABLE workflows (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE swarm_config (id TEXT PRIMARY KEY, scope TEXT NOT NULL, scopeId TEXT, key TEXT NOT NULL,
    value TEXT NOT NULL, isSecret INTEGER NOT NULL DEFAULT 0, envPath TEXT, description TEXT, createdAt TEXT,
    lastUpdatedAt TEXT, encrypted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE swarm_repos (id TEXT PRIMARY KEY, url TEXT NOT NULL, name TEXT NOT NULL, clonePath TEXT,
    defaultBranch TEXT);
CREATE TABLE session_logs (id TEXT PRIMARY KEY, line TEXT);
"""


class DesplegaSwarm:
    """Use `add("agents", id=…)`; `path` is its database."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "agent-swarm-db.sqlite"
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(SCHEMA)
        connection.close()

    def add(self, table: str, **row: Any) -> None:
        """Insert a row."""
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        with sqlite3.connect(self.path) as connection:
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
        connection.close()

    def agent(self, agent_id: str, name: str, **row: Any) -> None:
        """An agent that is idle."""
        self.add("agents", id=agent_id, name=name, status="idle", **row)

    def task(self, task_id: str, text: str, status: str = "unassigned", **row: Any) -> None:
        """A task; lists go as JSON."""
        shown = {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}
        self.add("agent_tasks", id=task_id, task=text, status=status, **shown)

    def change(self, task_id: str, **row: Any) -> None:
        """Change a task."""
        with sqlite3.connect(self.path) as connection:
            for name, value in row.items():
                connection.execute(f"UPDATE agent_tasks SET {name} = ? WHERE id = ?", (value, task_id))
        connection.close()

    def entry(self, key: str, value: str, *, sealed_with: bytes | None = None, **row: Any) -> None:
        """A configuration entry; encrypted where a key is given."""
        stored = value if sealed_with is None else sealed(value, sealed_with)
        is_sealed = int(sealed_with is not None)
        given = {"scope": "global", "isSecret": is_sealed, **row}
        self.add(
            "swarm_config",
            id=f"c-{key}-{given['scope']}",
            key=key,
            value=stored,
            encrypted=int(sealed_with is not None),
            **given,
        )


def sealed(value: str, key: bytes) -> str:
    """A value as that swarm stores it."""
    nonce = os.urandom(12)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, value.encode(), None)).decode()


def id_of(number: int) -> str:
    """A task's id."""
    return f"aaaaaaaa-0000-4000-8000-{number:012d}"


def a_swarm(folder: Path) -> DesplegaSwarm:
    """A lead, a coder, a repository, tasks in every status, a schedule."""
    swarm = DesplegaSwarm(folder)
    swarm.agent(LEAD, "Lead", isLead=1, maxTasks=2)
    swarm.agent(CODER, "Ada", role="frontend", capabilities='["ts", "css"]', harness_provider="devin")
    swarm.add("swarm_repos", id=REPO, url="https://git.example/team/shop.git", name="shop", defaultBranch="main")
    swarm.task(id_of(1), "Done already", "completed")
    swarm.task(
        id_of(2), "Build the form\nwith care", dependsOn=[id_of(1)], tags=["ui"], priority=80, vcsRepo="team/shop"
    )
    swarm.task(id_of(3), "Test the form", "pending", agentId=CODER, dependsOn=[id_of(2)])
    swarm.task(id_of(4), "Think about it", "backlog")
    swarm.task(id_of(5), "Was under way", "in_progress", agentId=LEAD)
    swarm.task(id_of(6), "Went wrong", "failed")
    swarm.task(id_of(7), "Builds on what went wrong", dependsOn=[id_of(6)])
    swarm.task(id_of(8), "Builds on that", dependsOn=[id_of(7)])
    swarm.add("scheduled_tasks", id="s-1", name="nightly", cronExpression="0 3 * * *", taskTemplate="Sweep")
    swarm.add("workflows", id="w-1", name="release")
    swarm.add("session_logs", id="l-1", line="…")
    return swarm


def write_folders(root: Path, folders: Mapping[str, Mapping[str, Any]]) -> Path:
    """`{"tasks": {"task-1.json": …}}` below `root`; a text is written as it is."""
    for folder, files in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (root / folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return root
