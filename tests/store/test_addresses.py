"""Addresses of databases, as people type them; a password is never shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import conninfo

from agent_swarm.store.address import (
    DatabaseAddressError,
    PostgresAddress,
    SqliteAddress,
    parse,
)


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("swarm.sqlite", "swarm.sqlite"),
        ("./odd:name.sqlite", "odd:name.sqlite"),
        ("/var/lib/swarm.sqlite", "/var/lib/swarm.sqlite"),
        ("sqlite:swarm.sqlite", "swarm.sqlite"),
        ("sqlite:/var/lib/swarm.sqlite", "/var/lib/swarm.sqlite"),
        ("sqlite:///swarm.sqlite", "swarm.sqlite"),
        ("sqlite:////var/lib/swarm.sqlite", "/var/lib/swarm.sqlite"),
        (" SQLite:a b.sqlite\n", "a b.sqlite"),
    ],
)
def test_given_a_path_in_any_form_when_it_is_read_then_it_is_an_sqlite_file(typed: str, path: str) -> None:
    assert parse(typed) == SqliteAddress(Path(path))


def test_given_a_path_in_the_home_when_it_is_read_then_the_home_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/var/empty")
    assert parse("sqlite:~/swarm.sqlite").shown == "sqlite:/var/empty/swarm.sqlite"


@pytest.mark.parametrize(
    ("typed", "shown", "has_password"),
    [
        ("postgresql://ada@db/swarm", "postgresql://ada@db/swarm", False),
        ("postgres://ada@db/swarm", "postgresql://ada@db/swarm", False),
        ("postgresql+psycopg://ada@db/swarm", "postgresql://ada@db/swarm", False),
        ("postgresql://ada:hunter2@db:5433/swarm", "postgresql://ada:***@db:5433/swarm", True),
        ("postgresql://ada:hun:ter2@db/swarm", "postgresql://ada:***@db/swarm", True),
        ("postgresql://ada:hun%40ter2@a,b:1/swarm", "postgresql://ada:***@a,b:1/swarm", True),
        ("postgresql://[::1]:5432/swarm", "postgresql://[::1]:5432/swarm", False),
        ("postgresql:///swarm?host=/run/pg", "postgresql:///swarm?host=/run/pg", False),
        ("postgresql://db/s?password=hunter2&user=a", "postgresql://db/s?password=***&user=a", True),
        ("postgresql://db/s?sslpassword=hunter2", "postgresql://db/s?sslpassword=***", True),
        ("postgresql://", "postgresql://", False),
    ],
)
def test_given_a_postgresql_url_when_it_is_shown_then_the_password_is_left_out(
    typed: str, shown: str, has_password: bool
) -> None:
    address = parse(typed)
    assert isinstance(address, PostgresAddress)
    assert (address.shown, address.has_password) == (shown, has_password)
    assert address.url.startswith("postgresql://")
    assert "hunter2" not in repr(address) + address.shown


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        ":memory:",
        "sqlite:",
        "sqlite::memory:",
        "sqlite://host/swarm.sqlite",
        "sqlite:///swarm.sqlite?mode=ro",
        "mysql://ada:hunter2@db/swarm",
        "http://db/swarm",
        "host=db dbname=swarm password=hunter2",
        "postgresql:swarm",
        "postgresql://ada:hun/hunter2@db/swarm",
        "postgresql://ada:hun@hunter2@db/swarm",
        "postgresql://ada:hun#hunter2@db/swarm",
        "postgresql://ada:hunter2%@db/swarm",
        "postgresql://ada:hunter2%00@db/swarm",
        "postgresql://ada:hunter2@db/swarm?hunter2",
    ],
)
def test_given_what_is_no_address_when_it_is_read_then_the_refusal_says_what_is_one_and_shows_no_password(
    typed: str,
) -> None:
    with pytest.raises(DatabaseAddressError) as refused:
        parse(typed)
    assert refused.value.hint
    assert "hunter2" not in refused.value.message + refused.value.hint


SECRET = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(
    lambda text: f"S3cret{text}"
)


@given(password=SECRET, place=st.sampled_from(["postgresql://ada:{}@db/swarm", "postgres://db/swarm?password={}"]))
def test_given_any_password_as_it_stands_when_the_url_is_read_then_it_is_shown_nowhere(
    password: str, place: str
) -> None:
    try:
        address = parse(place.format(password))
    except DatabaseAddressError as refusal:
        told = refusal.message + refusal.hint
    else:
        assert isinstance(address, PostgresAddress)
        told = address.shown + repr(address)
        libpq = conninfo.conninfo_to_dict(address.url)
        assert str(libpq.pop("password")).startswith("S3cret")
        assert "S3cret" not in str(libpq)
    assert "S3cret" not in told
