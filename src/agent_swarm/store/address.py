"""Which database somebody means, from what they typed: the path of an SQLite file, or the URL of a PostgreSQL database.

An address is read strictly: what a PostgreSQL client would read otherwise than it looks (a password with a bare `@` or
`/`) is refused, so that `shown` never holds a piece of a password. Connecting is libpq's business, which reads the URL
itself and with it PGPASSWORD, ~/.pgpass, services and the like.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent_swarm.domain.errors import SwarmError

EXPECTED: Final = "sqlite:PATH, a path, or postgresql://USER@HOST/DATABASE"
HIDDEN: Final = "***"

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):")
_POSTGRES = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_URL = re.compile(
    r"//(?:(?P<user>[^\s:@/?#]*)(?::(?P<password>[^\s@/?#]*))?@)?"
    r"(?P<hosts>[^\s@/?#]*)(?P<database>/[^\s@/?#]*)?(?:\?(?P<query>[^\s#]*))?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_CONNINFO = re.compile(r"\b(?:host|hostaddr|dbname|service)\s*=")


class DatabaseAddressError(SwarmError):
    """What was given as the address of a database is none."""

    code = "invalidDatabaseAddress"


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """An SQLite file."""

    path: Path

    @property
    def shown(self) -> str:
        """As people read it."""
        return f"sqlite:{self.path}"


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A PostgreSQL database. `url` is for libpq alone and may hold a password; `shown` never does."""

    url: str = field(repr=False)
    shown: str
    has_password: bool = False


DatabaseAddress = SqliteAddress | PostgresAddress


def url_of(address: DatabaseAddress) -> str:
    """What `parse` understands as this address again; it may hold a password."""
    return address.url if isinstance(address, PostgresAddress) else f"sqlite:{address.path.absolute()}"


def parse(text: str) -> DatabaseAddress:
    """The database that `text` names; raises DatabaseAddressError, which never quotes a password."""
    text = text.strip()
    if not text:
        raise DatabaseAddressError("the address of the database is empty", hint=f"expected {EXPECTED}")
    named = _SCHEME.match(text)
    if named is None:
        return _file(text)
    scheme, rest = named["scheme"].lower(), text[named.end() :]
    if scheme == "sqlite":
        return _sqlite(text, rest)
    if scheme in _POSTGRES:
        return _postgres(rest)
    raise DatabaseAddressError(
        f"no database of the kind {scheme!r} can be used",
        hint=f"expected {EXPECTED}; a file whose name has a colon is written ./{scheme}:…",
    )


def _sqlite(text: str, rest: str) -> SqliteAddress:
    """`sqlite:PATH`, or `sqlite:///PATH` as SQLAlchemy reads it: an absolute path makes four slashes."""
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise DatabaseAddressError(
                f"{text!r} names a host, and an SQLite file is on this machine", hint="write sqlite:PATH"
            )
        rest = rest[3:]
    if "?" in rest:
        raise DatabaseAddressError(f"{text!r} has parameters, and SQLite files take none", hint="write sqlite:PATH")
    return _file(rest)


def _file(path: str) -> SqliteAddress:
    if not path or path == ":memory:" or "\0" in path:
        raise DatabaseAddressError(f"{path!r} is not the path of a database file", hint=f"expected {EXPECTED}")
    if _CONNINFO.search(path):
        raise DatabaseAddressError(
            "a PostgreSQL database is not named by key=value pairs here", hint="write postgresql://USER@HOST/DATABASE"
        )
    return SqliteAddress(Path(path).expanduser())


def _postgres(rest: str) -> PostgresAddress:
    parts = _URL.fullmatch(rest)
    if parts is None or _BAD_ESCAPE.search(rest):
        raise DatabaseAddressError(
            "the URL of the PostgreSQL database cannot be read",
            hint="expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE; "
            "in a user name or password write @ as %40, / as %2F, # as %23, ? as %3F and % as %25",
        )
    shown_query, has_secret = _query(parts["query"])
    user = "" if parts["user"] is None else parts["user"] + (f":{HIDDEN}" if parts["password"] else "") + "@"
    return PostgresAddress(
        url=f"postgresql:{rest}",
        shown=f"postgresql://{user}{parts['hosts']}{parts['database'] or ''}{shown_query}",
        has_password=bool(parts["password"]) or has_secret,
    )


def _query(query: str | None) -> tuple[str, bool]:
    """The parameters as they may be shown, and whether one of them is a secret."""
    if not query:
        return "", False
    shown, has_secret = [], False
    for pair in query.split("&"):
        key, separator, value = pair.partition("=")
        if not key.isidentifier() or not separator or "=" in value:
            raise DatabaseAddressError(
                "the parameters of the PostgreSQL URL cannot be read",
                hint="write them as ?key=value&key=value; in a value write = as %3D and & as %26",
            )
        is_secret = bool(value) and ("password" in key.lower() or "secret" in key.lower())
        has_secret |= is_secret
        shown.append(f"{key}={HIDDEN if is_secret else value}")
    return "?" + "&".join(shown), has_secret
