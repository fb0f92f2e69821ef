"""An agent whose result does not match is told, in the same run, and not for ever."""

from collections.abc import Sequence

import pytest

from agent_swarm.harness.base import AgentEvent, Emit, Outcome
from agent_swarm.harness.errors import NotDelivered
from agent_swarm.worker.agent import StopSignal
from agent_swarm.worker.corrections import CORRECTIONS, Check, follow_to_a_result
from agent_swarm.worker.link import LinkLost
from agent_swarm.worker.stops import Stop

pytestmark = pytest.mark.anyio


class Agent:
    """A session that says one thing after the other, the last one again and again."""

    handle = None

    def __init__(self, *says: str, listens: bool = True) -> None:
        self.says = list(says)
        self.listens = listens
        self.told: list[str] = []
        self.runs = 0

    async def run(self, emit: Emit) -> Outcome:
        """One turn."""
        said = self.says[min(self.runs, len(self.says) - 1)]
        self.runs += 1
        return Outcome(ok=said != "broken", result=said)

    async def send(self, text: str, *, interrupt: bool = False, message_id: str = "") -> None:
        """Hear what is wrong."""
        if not self.listens:
            raise NotDelivered("this agent takes no messages", hint="")
        self.told.append(text)

    async def interrupt(self) -> None:
        """Nothing is under way."""

    async def close(self) -> None:
        """Nothing to end."""


async def wants_good(outcome: Outcome) -> Sequence[str]:
    return [] if outcome.result == "good" else ["data: it is not good"]


async def _ignored(event: AgentEvent) -> None:
    """Nobody looks."""


async def ended(agent: Agent, check: Check | None = wants_good, stop: StopSignal | None = None) -> str:
    outcome = await follow_to_a_result(agent, _ignored, stop or StopSignal(), limit=10, check=check)
    assert outcome is not None
    return outcome.result


async def test_given_a_wrong_result_when_the_agent_is_told_then_it_corrects_it_in_the_same_run() -> None:
    agent = Agent("bad", "good")
    assert await ended(agent) == "good"
    assert (len(agent.told), agent.runs) == (1, 2)
    assert "data: it is not good" in agent.told[0]


async def test_given_an_agent_that_never_gets_it_right_when_it_was_told_often_enough_then_it_ends() -> None:
    agent = Agent("bad")
    assert await ended(agent) == "bad"
    assert (len(agent.told), agent.runs) == (CORRECTIONS, CORRECTIONS + 1)


@pytest.mark.parametrize(
    ("agent", "result"),
    [(Agent("good"), "good"), (Agent("broken"), "broken"), (Agent("bad", listens=False), "bad")],
    ids=["right", "failed", "takes nothing"],
)
async def test_given_nothing_to_correct_or_nobody_who_could_then_the_run_ends_as_it_is(
    agent: Agent, result: str
) -> None:
    assert await ended(agent) == result
    assert (agent.told, agent.runs) == ([], 1)


async def test_given_a_task_that_takes_any_result_then_nobody_is_asked() -> None:
    agent = Agent("bad")
    assert await ended(agent, check=None) == "bad"
    assert agent.runs == 1


async def test_given_a_server_that_cannot_be_asked_when_the_run_ends_then_it_ends_as_it_is() -> None:
    async def gone(_: Outcome) -> Sequence[str]:
        raise LinkLost("no server", hint="")

    agent = Agent("bad", "good")
    assert await ended(agent, check=gone) == "bad"


async def test_given_a_run_that_is_to_stop_when_its_result_is_wrong_then_it_is_not_gone_on_with() -> None:
    stop = StopSignal()

    async def while_pausing(_: Outcome) -> Sequence[str]:
        stop.give(Stop.PAUSE)
        return ["data: it is not good"]

    agent = Agent("bad", "good")
    assert await ended(agent, check=while_pausing, stop=stop) == "bad"
    assert agent.told == []
