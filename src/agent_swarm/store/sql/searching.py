"""The index of the words of notes: FTS5 in SQLite, a GIN index in PostgreSQL.

The words are made by `domain.words`; a database only finds them again, so that all stores find the same. SQLite keeps
its index with triggers, PostgreSQL as it keeps every index: in the transaction that writes the note, whoever writes it.
SQLAlchemy knows neither, so both are made here, for new databases, migrations and copies.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.notes import NoteSearch, mark_of
from agent_swarm.domain.words import Term

NAME = "note_search"  # what compares tables with the metadata passes over names that begin so

# Words have one blank between them; what else a copied row may hold is no reason to refuse it.
_VECTOR = "array_to_tsvector(array_remove(string_to_array(words, ' '), ''))"
_TAKE_OUT = "INSERT INTO note_search (note_search, rowid, words) VALUES ('delete', old.number, old.words);"
_PUT_IN = "INSERT INTO note_search (rowid, words) VALUES (new.number, new.words);"

_MADE: Mapping[str, tuple[str, ...]] = {
    "sqlite": (
        # `ascii` takes every character beyond ASCII for a letter: what stands between two blanks is a word
        "CREATE VIRTUAL TABLE note_search USING fts5 (words, content='note', content_rowid='number', detail=none,"
        """ tokenize="ascii tokenchars '=#-'")""",
        f"CREATE TRIGGER note_search_insert AFTER INSERT ON note BEGIN {_PUT_IN} END",
        f"CREATE TRIGGER note_search_delete AFTER DELETE ON note BEGIN {_TAKE_OUT} END",
        f"CREATE TRIGGER note_search_update AFTER UPDATE ON note BEGIN {_TAKE_OUT} {_PUT_IN} END",
        "INSERT INTO note_search (note_search) VALUES ('rebuild')",
    ),
    "postgresql": (f"CREATE INDEX note_search_words ON note USING gin (({_VECTOR}))",),
}

_COLUMNS = "note.number, note.name, note.tags, note.words, note.updated_at"
_FOUND: Mapping[str, sa.TextClause] = {
    "sqlite": sa.text(
        f"SELECT {_COLUMNS} FROM note_search JOIN note ON note.number = note_search.rowid "  # noqa: S608 - constants
        "WHERE note_search MATCH :asked ORDER BY note_search.rowid DESC LIMIT :limit"
    ),
    # Apart from the order: it would have the planner walk the table from its end, making the words of every row anew.
    "postgresql": sa.text(
        f"WITH hits AS MATERIALIZED (SELECT number FROM note WHERE {_VECTOR} @@ CAST(:asked AS tsquery)), "  # noqa: S608 - constants
        "newest AS (SELECT number FROM hits ORDER BY number DESC LIMIT :limit) "
        f"SELECT {_COLUMNS} FROM note JOIN newest ON note.number = newest.number ORDER BY note.number DESC"
    ),
}
# A word that nearly every note has would have it read the table, which costs the making of every row's words, too.
_BY_INDEX = sa.text("SET LOCAL enable_seqscan = off")
_NEWEST = sa.text(f"SELECT {_COLUMNS} FROM note ORDER BY number DESC LIMIT :limit")  # noqa: S608 - constants


def make(connection: sa.Connection) -> None:
    """Make the index over the notes that are there."""
    for statement in _MADE[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def found(connection: sa.Connection, wanted: NoteSearch, *, limit: int) -> list[Any]:
    """The newest notes that `wanted` finds, as rows."""
    asked = _asked(wanted, connection.dialect.name)
    if not asked:
        return list(connection.execute(_NEWEST, {"limit": limit}))
    if connection.dialect.name == "postgresql":
        connection.execute(_BY_INDEX)
    return list(connection.execute(_FOUND[connection.dialect.name], {"asked": asked, "limit": limit}))


def _asked(wanted: NoteSearch, dialect: str) -> str:
    """The question in the language of the database. Words are letters and digits, so nothing in them has to be quoted
    more than by the quotes around them.
    """
    is_sqlite = dialect == "sqlite"
    quote, either, both = ('"', " OR ", " AND ") if is_sqlite else ("'", " | ", " & ")
    places = [f"{quote}{place.mark}{quote}" for place in wanted.places or ()]
    parts = [f"({either.join(places)})"] if places else []
    if wanted.tag:
        parts.append(f"{quote}{mark_of(wanted.tag)}{quote}")
    parts += [_of_term(term, quote, is_sqlite=is_sqlite) for term in wanted.terms]
    return both.join(parts)


def _of_term(term: Term, quote: str, *, is_sqlite: bool) -> str:
    prefix = "*" if is_sqlite else ":*"
    return f"{quote}{term.word}{quote}{prefix if term.is_prefix else ''}"
