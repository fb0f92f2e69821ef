"""Refused requests, told once a minute: the events of many at a time, however many they were."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_swarm.domain.time import to_wire
from agent_swarm.store.events import SYSTEM, Draft
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """What one subject was refused for one reason: an address that showed no good token, or who has one."""

    subject: str
    reason: str
    requests: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TellDenials(RecordOperation[None]):
    """Have one event for each of these."""

    denied: Sequence[Denied]

    def carry_out(self, desk: Desk) -> None:
        """Nothing is kept but the events."""
        for one in self.denied:
            data = {"reason": one.reason, "requests": one.requests, "since": to_wire(one.since)}
            desk.say(Draft(type="auth.denied", actor=SYSTEM, subject_kind="auth", subject_id=one.subject, data=data))
