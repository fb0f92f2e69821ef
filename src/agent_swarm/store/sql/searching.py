"""The index of the words of notes: FTS5 in SQLite, a GIN index in PostgreSQL.

The words are made by `domain.words`; a database only finds them again, so that all stores find the same. SQLite keeps
its index with triggers, PostgreSQL as it keeps every index: in the transaction that writes the note, whoever writes it.
SQLAlchemy knows neither, so both are made here, for new databases, migrations and copies.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from agent_swarm.domain.notes import Needle, NoteSearch

_AFTER_ALL = 2**63 - 1
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

# What the newest notes show saves most of what the index would cost: a word that many notes have is in enough of them.
NEWEST = 1_000
NEWEST_CHARS = 2_000_000  # of their words
_AT_ONCE = 100
_ROW = 10  # entries of an index are read in the time that one row takes, about

_COLUMNS = "note.number, note.name, note.tags, note.words, note.updated_at"
_INDEXED: Mapping[str, str] = {
    "sqlite": (
        f"SELECT {_COLUMNS} FROM note_search JOIN note ON note.number = note_search.rowid "  # noqa: S608 - constants
        "WHERE note_search MATCH :asked{more} ORDER BY note_search.rowid DESC LIMIT :limit"
    ),
    # Apart from the order: it would have the planner walk the table from its end, making the words of every row anew.
    "postgresql": (
        f"WITH hits AS MATERIALIZED (SELECT number FROM note WHERE {_VECTOR} @@ CAST(:asked AS tsquery){{more}}), "  # noqa: S608 - constants
        "newest AS (SELECT number FROM hits ORDER BY number DESC LIMIT :limit) "
        f"SELECT {_COLUMNS} FROM note JOIN newest ON note.number = newest.number ORDER BY note.number DESC"
    ),
}
_AT: Mapping[str, str] = {"sqlite": "instr", "postgresql": "strpos"}
# A word that nearly every note has would have it read the table, which costs the making of every row's words, too.
_BY_INDEX = sa.text("SET LOCAL enable_seqscan = off")
_NEWEST = sa.text(
    f"SELECT {_COLUMNS} FROM note WHERE number < :before ORDER BY number DESC LIMIT :limit"  # noqa: S608 - constants
)


def make(connection: sa.Connection) -> None:
    """Make the index over the notes that are there."""
    for statement in _MADE[connection.dialect.name]:
        connection.exec_driver_sql(statement)


class Searching:
    """Searches of one read. The newest notes are read once, and only as far as somebody looks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._newest: list[Any] = []
        self._chars = 0
        self._has_all = False

    def found(self, wanted: NoteSearch, *, limit: int) -> list[Any]:
        """The newest notes that `wanted` finds, as rows."""
        if wanted.places == ():
            return []
        needles = wanted.needles
        looked = 0
        found: list[Any] = []
        hits = dict.fromkeys(needles, 0)
        for row in self._recent():
            looked += 1
            padded = f" {row.words} "
            has = [needle for needle in needles if any(one in padded for one in needle)]
            for needle in has:
                hits[needle] += 1
            if len(has) == len(needles):
                found.append(row)
            if len(found) == limit:
                return found
        if not needles:
            return list(self._connection.execute(_NEWEST, {"before": _AFTER_ALL, "limit": limit}))
        asked = worth_looking_up({needle: (number + 1) / (looked + 1) for needle, number in hits.items()})
        return self._indexed(asked, [needle for needle in needles if needle not in asked], limit)

    def _recent(self) -> Iterator[Any]:
        at = 0
        while at < len(self._newest) or self._read_on():
            yield self._newest[at]
            at += 1

    def _read_on(self) -> bool:
        if self._has_all or len(self._newest) >= NEWEST or self._chars >= NEWEST_CHARS:
            return False
        before = self._newest[-1].number if self._newest else _AFTER_ALL
        rows = list(self._connection.execute(_NEWEST, {"before": before, "limit": _AT_ONCE}))
        self._has_all = len(rows) < _AT_ONCE
        self._newest += rows
        self._chars += sum(len(row.words) for row in rows)
        return bool(rows)

    def _indexed(self, asked: Sequence[Needle], read_off: Sequence[Needle], limit: int) -> list[Any]:
        """What has all of it, looked up by what is `asked`; whether it has the rest is seen in its words."""
        dialect = self._connection.dialect.name
        both = {"sqlite": " AND ", "postgresql": " & "}[dialect]
        values: dict[str, Any] = {"asked": both.join(_expression(needle, dialect) for needle in asked), "limit": limit}
        more = ""
        for number, needle in enumerate(read_off):
            names = [f"n{number}_{place}" for place in range(len(needle))]
            values |= dict(zip(names, needle, strict=True))
            here = [f"{_AT[dialect]}(' ' || note.words || ' ', :{name}) > 0" for name in names]
            more += f" AND ({' OR '.join(here)})"
        if dialect == "postgresql":
            self._connection.execute(_BY_INDEX)
        return list(self._connection.execute(sa.text(_INDEXED[dialect].format(more=more)), values))


def worth_looking_up(shares: Mapping[Needle, float]) -> list[Needle]:
    """The needles to ask an index for, the rarest first, by the share of notes that has each. Pure.

    An index reads every entry of a word, or of all words that begin so. Once few rows are left, that of another word
    costs more than to look whether they have it.
    """
    asked: list[Needle] = []
    left = 1.0
    for needle, share in sorted(shares.items(), key=lambda one: one[1]):
        if asked and share >= _ROW * left * (1 - share):
            break
        asked.append(needle)
        left *= share
    return asked


def _expression(needle: Needle, dialect: str) -> str:
    """A needle in the language of the database. Words are letters and digits, and marks have nothing that has to be
    quoted more than by the quotes around them.
    """
    quote, either, prefix = {"sqlite": ('"', " OR ", "*"), "postgresql": ("'", " | ", ":*")}[dialect]
    words = [f"{quote}{one.strip()}{quote}{'' if one.endswith(' ') else prefix}" for one in needle]
    return f"({either.join(words)})"
