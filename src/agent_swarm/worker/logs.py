"""What the worker says, on standard error: JSON lines, or coloured ones at a terminal. No secret gets into either."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from agent_swarm.redaction import Redactor


def configure(redactor: Redactor, *, level: int = logging.INFO) -> None:
    """Set up logging for this process."""
    at_terminal = sys.stderr.isatty()
    render = structlog.dev.ConsoleRenderer() if at_terminal else structlog.processors.JSONRenderer()

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: _clean(redactor, value) for key, value in event.items()}

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # what it has to say is said by `connection`


def _clean(redactor: Redactor, value: Any) -> Any:
    is_plain = value is None or isinstance(value, bool | int | float)
    return value if is_plain else redactor.value(value if isinstance(value, str | dict | list | tuple) else str(value))
