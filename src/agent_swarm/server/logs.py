"""Logging: events with fields, one per line, on standard error; text for people at a terminal, else JSON.

What people wrote and what is secret stays out: of an exception the kind and the places are logged, and its message only
where it is known to hold none of either.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from agent_swarm.domain.errors import SwarmError
from agent_swarm.services.redaction import Redactor

# Their messages name files, addresses and code, never what was sent.
_PLAIN = (OSError, RuntimeError, AttributeError, TypeError, NameError, ImportError, AssertionError)
MESSAGE_CHARS = 300


def configure(level: str, redactor: Redactor, *, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, which uvicorn uses, for this process."""
    out = stream or sys.stderr
    number = getattr(logging, level.upper())
    renderer: Any = _as_text if out.isatty() else structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Exceptions(redactor),
            _without_secrets(redactor),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = _Forward()
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


class _Forward(logging.Handler):
    """The standard library's records, as events."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, "library", logger=record.name, text=record.getMessage(), exc_info=record.exc_info
        )


class _Exceptions:
    """Replaces `exc_info` by the kind of the exception and the places it went through."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        given = event.pop("exc_info", None)
        exception = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
        if isinstance(exception, BaseException):
            event["exception"] = self._chain(exception)
        return event

    def _chain(self, exception: BaseException) -> list[str]:
        told: list[str] = []
        current: BaseException | None = exception
        while current is not None and len(told) < 10:
            told.append(self._one(current))
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        return told

    def _one(self, exception: BaseException) -> str:
        kind = f"{type(exception).__module__}.{type(exception).__qualname__}"
        if isinstance(exception, (*_PLAIN, SwarmError)):
            kind += f": {self._redactor.text(str(exception))[:MESSAGE_CHARS]}"
        places = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(exception.__traceback__)
        ]
        return " < ".join([kind, *reversed(places)])


def _without_secrets(redactor: Redactor) -> Any:
    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {name: redactor.value(_plain(value)) for name, value in event.items()}

    return redact


def _plain(value: Any) -> Any:
    """A value that the redactor looks into; what is of a kind of its own is logged as its text."""
    return value if value is None or isinstance(value, bool | int | float | str | dict | list | tuple) else str(value)


def _as_text(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    at, level, name = event.pop("timestamp", ""), event.pop("level", ""), event.pop("event", "")
    places = event.pop("exception", [])
    fields = " ".join(f"{key}={value}" for key, value in event.items())
    return "\n    ".join([f"{at} {level:<8} {name} {fields}".rstrip(), *places])
