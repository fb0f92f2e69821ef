"""Logs: one line per event, and nothing in them that anybody wrote or hid."""

import json
import subprocess
import sys

PROGRAM = """
import logging, sys
import structlog
from agent_swarm.server import logs
from agent_swarm.services.redaction import Redactor

logs.configure("info", Redactor(["the-operators-key"]))
log = structlog.get_logger()
log.debug("unheard")
try:
    try:
        raise KeyError("prompt: sell everything")
    except KeyError as exc:
        raise OSError(5, "no disk for the-operators-key") from exc
except OSError:
    log.exception("it_broke", request_id="r-1")
logging.getLogger("uvicorn.error").info("unheard, too")
logging.getLogger("uvicorn.error").warning("said by %s", "a library")
"""


def test_given_exceptions_when_they_are_logged_then_kind_and_place_are_told_and_secrets_are_not() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    broke, said = map(json.loads, run.stderr.splitlines())
    assert (broke["event"], broke["level"], broke["request_id"]) == ("it_broke", "error", "r-1")
    assert broke["exception"][0].startswith("builtins.OSError: [Errno 5] no disk for [redacted] < ")
    assert broke["exception"][1].startswith("builtins.KeyError < ")
    assert "sell everything" not in run.stderr
    assert "the-operators-key" not in run.stderr
    assert (said["logger"], said["text"], said["level"]) == ("uvicorn.error", "said by a library", "warning")
    assert run.stdout == ""
