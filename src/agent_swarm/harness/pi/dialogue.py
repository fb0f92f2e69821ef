"""pi's RPC mode, from our side: commands and events in lines of JSON. Pure: lines and wishes go in, lines come out.

A message begins a run, or waits in pi's queue until the run that goes on has called its tools. pi names no ids for
them: it comes to messages in the order in which they were told. A run that is aborted takes what waits into the
conversation and answers none of it; so what interrupts is told when the run has settled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent_swarm.harness.base import AgentEvent, Bounds, Outcome
from agent_swarm.harness.kept import outcomes
from agent_swarm.harness.kept.heard import ALIVE, NOTHING, Heard, as_dict, as_text
from agent_swarm.harness.kept.spoken import Line
from agent_swarm.harness.pi.outcomes import prompt_refused
from agent_swarm.harness.pi.reading import Reading
from agent_swarm.sandbox.base import Exit

_DIALOGS = ("select", "confirm", "input", "editor")  # what pi asks and waits for


class PiDialogue:
    """Meets `kept.spoken.Dialogue`."""

    def __init__(self, *, bounds: Bounds, does_retry: bool = True) -> None:
        self._reading = Reading()
        self._bounds = bounds
        self._told: dict[str, str] = {}  # message ids and texts that pi has not come to, in order
        self._held: list[tuple[str, str]] = []  # until the run that goes on has settled
        self._is_running = self._is_stopping = False
        self._spent: Outcome | None = None
        self._out: list[Line] = [
            {"id": "state", "type": "get_state"},
            {"id": "retries", "type": "set_auto_retry", "enabled": does_retry},
            {"id": "steering", "type": "set_steering_mode", "mode": "all"},
        ]

    @property
    def session(self) -> str | None:
        """The id that pi was started with, once it knows the conversation."""
        return self._reading.session

    @property
    def goes_on(self) -> bool:
        """Whether a run is under way, or another one follows."""
        return bool(self._is_running or self._told or self._held)

    def written(self) -> list[Line]:
        """What has to be written now; once."""
        out, self._out = self._out, []
        return out

    def post(self, message_id: str, text: str, *, interrupt: bool = False) -> None:
        """Tell the agent something; at once where `interrupt` ends the run that goes on."""
        if self._is_stopping or (interrupt and self.goes_on):
            self._held.append((message_id, text))
            self._stop()
        else:
            self._tell(message_id, text)

    def halt(self) -> None:
        """End the run that goes on, and begin no other one: what waits is for another time."""
        self._out.append({"id": "clear", "type": "clear_queue"})
        self._stop()

    def feed(self, line: bytes) -> Heard:
        """What a line says."""
        body = self._reading.strays.read(line)
        if isinstance(body, Heard):
            return body
        match body.get("type"):
            case "response":
                return self._answered(as_text(body.get("id")), body)
            case "extension_ui_request" if body.get("method") in _DIALOGS:
                self._out.append({"type": "extension_ui_response", "id": body.get("id"), "cancelled": True})
                return NOTHING
            case "agent_start":
                self._is_running = True
        heard = self._reading.feed(body)
        if heard is NOTHING:
            return ALIVE  # such as a piece of what the model says
        if heard.begun is not None:
            return replace(heard, begun=self._come_to(heard.begun))
        if heard.outcome is not None:
            return self._settled(heard)
        self._hold_to_bounds()
        return heard

    def last(self) -> Heard:
        """How much was dropped of what is no JSON."""
        return self._reading.strays.last()

    def totals(self) -> Mapping[str, Any]:
        """Nothing: pi tells amounts."""
        return {}

    def rest(self) -> Iterable[AgentEvent]:
        """What was heard of a conversation that was never opened."""
        return self._reading.early()

    def knows_nothing(self, ended: Exit) -> bool:
        """It ends with an error, and without having told its state."""
        return self._reading.session is None and ended.code not in (0, None)

    def _tell(self, message_id: str, text: str) -> None:
        """pi would take a `/` at the beginning for a command of its own."""
        words = f"\n{text}" if text.startswith("/") else text
        self._told[message_id] = words
        self._out.append({"id": message_id, "type": "prompt", "message": words, "streamingBehavior": "steer"})

    def _stop(self) -> None:
        if not self._is_stopping and (self._is_running or self._told):
            self._is_stopping = True
            self._out.append({"id": "abort", "type": "abort"})

    def _come_to(self, text: str) -> str | None:
        """The message that pi has come to; it is the next one, should pi have changed its words."""
        found = next((name for name, told in self._told.items() if told == text), next(iter(self._told), None))
        if found is not None:
            del self._told[found]
        return found

    def _answered(self, ident: str, body: Mapping[str, Any]) -> Heard:
        if ident == "state" and body.get("success") is True:
            return self._reading.opened(as_dict(body.get("data")))
        if ident == "abort" and not self._is_running:  # there was nothing to abort
            return self._go_on(NOTHING)
        if ident not in self._told or body.get("command") != "prompt":
            return NOTHING
        if body.get("success") is True:
            self._is_running = True
            return Heard(delivered=(ident,))
        del self._told[ident]
        return Heard(outcome=prompt_refused(as_text(body.get("error"))))

    def _settled(self, heard: Heard) -> Heard:
        """The end of a run; what was held begins the next one, unless this one failed."""
        outcome = heard.outcome
        assert outcome is not None
        self._is_running = False
        if self._spent is not None:
            heard, self._spent = replace(heard, outcome=self._spent, lost=self._give_up_held()), None
        elif not outcome.ok and outcome.failure_code != "interrupted":
            lost = (*self._told, *self._give_up_held())
            self._told.clear()
            heard = replace(heard, lost=lost)
        return self._go_on(heard)

    def _give_up_held(self) -> tuple[str, ...]:
        """The messages that were held for the next run, which does not come."""
        lost, self._held = tuple(message_id for message_id, _ in self._held), []
        return lost

    def _go_on(self, heard: Heard) -> Heard:
        self._is_stopping = False
        held, self._held = self._held, []
        for message_id, text in held:
            self._tell(message_id, text)
        return heard

    def _hold_to_bounds(self) -> None:
        """A run ends at its bounds where it goes on: an answer without a call is its last."""
        if not self._reading.has_called or self._spent is not None:
            return
        bounds, reading = self._bounds, self._reading
        if bounds.turns is not None and reading.calls >= bounds.turns:
            self._spent = outcomes.turns_spent(reading.calls)
        elif bounds.cost_usd is not None and reading.cost_usd >= bounds.cost_usd:
            self._spent = outcomes.cost_spent(reading.cost_usd)
        if self._spent is not None:
            self.halt()
