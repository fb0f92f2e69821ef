"""The tables of `registry.db`, and how older files get them.

The first three are those of the program that this command set comes from; a file that it wrote is taken over as it is.
Everything else that is known about a VM lies in its folder.
"""

import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS project (
    name TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    vm_id TEXT NOT NULL,
    base_image TEXT,
    ip TEXT,
    status TEXT NOT NULL DEFAULT 'running',
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS environment (
    task TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES project (name),
    provider TEXT NOT NULL,
    vm_id TEXT NOT NULL,
    base_image TEXT,
    ip TEXT,
    status TEXT NOT NULL DEFAULT 'running',
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS env_var (
    name TEXT NOT NULL,
    scope TEXT NOT NULL DEFAULT '',
    value TEXT NOT NULL,
    PRIMARY KEY (name, scope)
);
CREATE TABLE IF NOT EXISTS operation (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    vm_id TEXT NOT NULL,
    step TEXT NOT NULL,
    details TEXT NOT NULL,
    begun_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
"""


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Make what is missing, in one transaction; a second process that does the same waits and finds it done."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _take_over(connection)
        for statement in TABLES.split(";\n"):
            if statement.strip():
                connection.execute(statement)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _take_over(connection: sqlite3.Connection) -> None:
    """The two changes that older files may still need: a task was a ticket, and belonged to no project."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(environment)")}
    if "ticket" in columns and "task" not in columns:
        connection.execute("ALTER TABLE environment RENAME COLUMN ticket TO task")
    if columns and "project" not in columns:
        connection.execute("ALTER TABLE environment ADD COLUMN project TEXT NOT NULL DEFAULT ''")
