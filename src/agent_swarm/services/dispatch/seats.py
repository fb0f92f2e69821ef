"""The workers' ends: connections, and the credits that came through them."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Protocol

from agent_swarm.domain.errors import SwarmError
from agent_swarm.domain.matching import AgentProfile, AgentRole
from agent_swarm.store.records import ClaimedTask

NOTHING: frozenset[int] = frozenset()
ANSWERS_REMEMBERED = 32


class Receiver(Protocol):
    """What a face does with the answers to its credits. Called on the event loop; must not block."""

    def claimed(self, claimed: ClaimedTask, token: str) -> None:
        """A credit is answered; `token` is the attempt's, in clear."""
        ...

    def refused(self, claim_id: str, refusal: SwarmError) -> None:
        """A credit can never be answered: its claim has ended, or it belongs to another agent."""
        ...

    def superseded(self, refusal: SwarmError) -> None:
        """A newer process runs under this AGENT_ID; the seat is given up (rule T11)."""
        ...

    def settled(self) -> None:
        """No claim of this seat is under way any more."""
        ...


@dataclass(slots=True, eq=False)
class Kind:
    """Agents alike in all that requirements of no particular agent look at."""

    role: AgentRole
    tags: frozenset[str]
    capabilities: frozenset[str]
    swarm_id: str | None = None
    labels: frozenset[str] = frozenset()  # its skills, tags and role
    served: frozenset[int] = NOTHING  # classes that any agent of this kind may claim
    idle: "OrderedDict[Seat, None]" = field(default_factory=OrderedDict)  # have waiting credits; longest idle first
    seats: int = 0
    left: list[int] = field(default_factory=list)  # lines dropped out of while nobody was idle


@dataclass(slots=True, eq=False)
class Seat:
    """One connection of an agent's process."""

    agent: AgentProfile
    instance_id: str
    receiver: Receiver
    kind: Kind
    since: int  # when it sat down, by the store's clock
    own: frozenset[int] = NOTHING  # classes for this very agent
    waiting: "dict[str, Credit]" = field(default_factory=dict)  # by claim id, oldest first
    turn: int = 0  # order of seats: grows each time this one is given work or sits down
    claiming: int = 0  # claims under way
    answered: deque[str] | None = None  # the latest claim ids: a doubled frame asks for nothing new
    is_open: bool = True
    is_stopped: bool = False  # its agent gets no work: its credits wait outside the lines

    def remember(self, claim_id: str) -> None:
        """The credit is answered."""
        if self.answered is None:
            self.answered = deque(maxlen=ANSWERS_REMEMBERED)
        self.answered.append(claim_id)

    def has_answered(self, claim_id: str) -> bool:
        """Whether this credit was answered a short while ago."""
        return self.answered is not None and claim_id in self.answered


@dataclass(slots=True, eq=False)
class Credit:
    """A free slot of a worker. It waits on its seat, or a claim is under way for it."""

    claim_id: str
    seat: Seat
    is_withdrawn: bool = False
