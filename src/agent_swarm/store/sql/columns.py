"""What all tables have in common: the metadata that they belong to, and how ids and instants are kept."""

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
    """A column of microseconds."""
    return sa.Column(name, sa.BigInteger, **options)  # type: ignore[arg-type]
