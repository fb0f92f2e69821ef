"""How texts of settings are read: each answers the value, or raises ValueError."""

from typing import Any
from urllib.parse import urlsplit

from agent_swarm.domain.approvals import MAX_EXPIRY_SECONDS
from agent_swarm.store.address import DatabaseAddressError, parse

MOST_TASKS = 1_000_000
MAX_MINUTES = 525_600.0  # a year


def above_zero(number: Any) -> Any:
    """A number above zero, of that kind."""

    def parse(text: str) -> Any:
        value = number(text)
        if not value > 0:
            raise ValueError(text)
        return value

    return parse


def minutes(text: str) -> float:
    """A span in minutes, 0 or more."""
    number = float(text)
    if not 0 <= number <= MAX_MINUTES:  # also what is not a number
        raise ValueError(text)
    return number


def approval_seconds(text: str) -> float:
    """How long a question may wait."""
    number = float(text)
    if not 1 <= number <= MAX_EXPIRY_SECONDS:  # also what is not a number
        raise ValueError(text)
    return number


def count(text: str) -> int:
    """A whole number, 0 or more."""
    number = int(text)
    if not 0 <= number <= MOST_TASKS:
        raise ValueError(text)
    return number


def cap(text: str) -> int:
    """A whole number, 1 or more."""
    number = int(text)
    if not 1 <= number <= MOST_TASKS:
        raise ValueError(text)
    return number


def amount(number: Any) -> Any:
    """What something may cost: above 0, and at most a billion dollars or a thousand billion tokens."""

    def parse(text: str) -> Any:
        value = number(text)
        if not 0 < value <= (1e9 if number is float else 10**12):  # also what is not a number
            raise ValueError(text)
        return value

    return parse


def one_of(choices: tuple[str, ...]) -> Any:
    """One of these words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return parse


def http_url(text: str) -> str:
    """A web address without user and password."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(text)
    return text


def database_url_text(text: str) -> str:
    """The address of a database."""
    try:
        parse(text)
    except DatabaseAddressError as exc:
        raise ValueError from exc
    return text


def checked_by(parse: Any) -> Any:
    """The text, where `parse` takes it."""

    def checked(text: str) -> str:
        parse(text)
        return text

    return checked
