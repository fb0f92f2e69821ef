"""Take secrets out of everything that comes from agents, before the server stores it or fans it out.

What is secret and how it is found is in `agent_swarm.redaction`; here is what a server has to take it out of. Prompts
are never touched: they are what a person wrote and what an agent must read.
"""

from dataclasses import replace
from typing import Any

from agent_swarm import redaction
from agent_swarm.redaction import MARK
from agent_swarm.store.records import AttemptReport

__all__ = ["MARK", "Redactor"]

_REPORTED = ("branch", "commit", "snapshot", "text", "failure_code")


class Redactor(redaction.Redactor):
    """Replaces secrets by `[redacted]`: everything that stores what agents send shares one."""

    def report(self, report: AttemptReport) -> AttemptReport:
        """What a worker tells about an attempt, without secrets. The session is a handle, not a text: it stays."""
        told: dict[str, Any] = {name: self.text(text) for name in _REPORTED if (text := getattr(report, name))}
        if report.data is not None:
            told["data"] = self.value(report.data)
        return replace(report, **told) if told else report
