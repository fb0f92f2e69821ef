"""What all tables share: one metadata, and how ids and instants are written.

Instants and spans are microseconds in BigInteger columns; booleans are 0 and 1, so that a partial index reads the
same on both databases; JSON is text written by us. Every index is over plain columns: expressions would hide from
migration checks.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = sa.String(36)
ROOM = {"fillfactor": "80"}  # PostgreSQL: an update that touches no index stays on its page, and writes no index


def instant(name: str, **options: bool) -> "sa.Column[int]":
    """A column of an instant, in microseconds since 1970."""
    return sa.Column(name, sa.BigInteger, **options)  # type: ignore[arg-type]
