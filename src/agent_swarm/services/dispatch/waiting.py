"""Who waits for what: idle seats by requirement class, the longest idle one first.

A class has a line of kinds of agents, not of agents: ten thousand alike cost it one entry. A kind that is found with
nobody idle drops out of the line and comes back with its next idle seat, so that picking costs a few steps, however
many are waiting or busy.
"""

from collections import Counter, deque
from collections.abc import Iterable

from agent_swarm.domain.matching import AgentProfile, Requirements, serves
from agent_swarm.services.dispatch.seats import NOTHING, Credit, Kind, Receiver, Seat

LOOK_AT = 16  # kinds compared per pick: exact order among few kinds, a rotation among many


class WaitingRoom:
    """The seats of all connected agents, and those of their credits that wait."""

    def __init__(self) -> None:
        self._needs: dict[int, Requirements] = {}
        self._kinds: dict[object, Kind] = {}
        self._lines: dict[int, deque[Kind]] = {}
        self._classes_of: dict[str, set[int]] = {}  # classes that are for one agent
        self._seats_of: dict[str, list[Seat]] = {}
        self._fans: dict[str, set[str]] = {}  # agents present, by soft label that fits them
        self._shared: dict[frozenset[int], frozenset[int]] = {}
        self._aside: set[str] = set()  # agents
        self._turn = 0

    # --- classes ------------------------------------------------------------------------------------------------

    def learn(self, class_id: int, needs: Requirements) -> None:
        """A new class: find out which of those present may claim it."""
        self._needs[class_id] = needs
        if needs.agent_id is not None:
            self._classes_of.setdefault(needs.agent_id, set()).add(class_id)
            for seat in self._seats_of.get(needs.agent_id, ()):
                seat.own = self._own(seat.agent)
            return
        line: deque[Kind] = deque()
        self._lines[class_id] = line
        verdicts: dict[object, bool] = {}
        for kind in self._kinds.values():
            asked = (
                kind.role,
                needs.tags <= kind.tags,
                kind.capabilities,
                kind.swarm_id,
                needs.any_tag.isdisjoint(kind.labels),
            )
            if asked not in verdicts:
                verdicts[asked] = serves(_anyone(kind), needs)
            if verdicts[asked]:
                kind.served = self._one_of(kind.served | {class_id})
                line.append(kind)

    def served_by(self, seat: Seat) -> tuple[frozenset[int], ...]:
        """The classes this seat serves, in the sets they are kept in."""
        return (seat.kind.served, seat.own) if seat.own else (seat.kind.served,)

    # --- seats ----------------------------------------------------------------------------------------------------

    def sit_down(self, agent: AgentProfile, instance_id: str, receiver: Receiver, *, now: int) -> Seat:
        """A connection of an agent, without credits yet."""
        seat = Seat(agent, instance_id, receiver, self._kind_of(agent), now, self._own(agent))
        seat.turn = self._next_turn()
        seat.kind.seats += 1
        self._seats_of.setdefault(agent.id, []).append(seat)
        self._note_labels(agent)
        return seat

    def get_up(self, seat: Seat) -> list[Credit]:
        """The connection is gone; answers the credits that waited on it."""
        seat.is_open = False
        seat.kind.seats -= 1
        seat.kind.idle.pop(seat, None)
        mine = self._seats_of[seat.agent.id]
        mine.remove(seat)
        if not mine:
            del self._seats_of[seat.agent.id]
            self._forget_labels(seat.agent)
        waiting = list(seat.waiting.values())
        seat.waiting.clear()
        return waiting

    def change(self, agent: AgentProfile) -> list[Credit]:
        """The agent describes itself anew. Answers the credits that waited so far, to be placed again."""
        waiting: list[Credit] = []
        for seat in self._seats_of.get(agent.id, ()):
            self._forget_labels(seat.agent)
            seat.kind.seats -= 1
            seat.kind.idle.pop(seat, None)
            waiting.extend(seat.waiting.values())
            seat.waiting.clear()
            seat.agent, seat.kind, seat.own = agent, self._kind_of(agent), self._own(agent)
            seat.kind.seats += 1
            self._note_labels(agent)
        return waiting

    def stop(self, agent_id: str) -> None:
        """The agent gets no work: its credits are kept, and picked by nobody."""
        for seat in self._seats_of.get(agent_id, ()):
            seat.is_stopped = True
            seat.kind.idle.pop(seat, None)

    def start(self, agent_id: str) -> list[Credit]:
        """The agent may work again. Answers the credits that waited so far, to be placed again."""
        waiting: list[Credit] = []
        for seat in self._seats_of.get(agent_id, ()):
            seat.is_stopped = False
            seat.kind.idle.pop(seat, None)
            waiting.extend(seat.waiting.values())
            seat.waiting.clear()
        return waiting

    def seats_of(self, agent_id: str) -> tuple[Seat, ...]:
        """The connections of an agent."""
        return tuple(self._seats_of.get(agent_id, ()))

    def fitting(self, labels: frozenset[str]) -> list[str]:
        """Agents present that fit some of these soft labels, those that fit most of them first (rule T12)."""
        fits = Counter(agent_id for label in labels for agent_id in self._fans.get(label, ()))
        return [agent_id for agent_id, _ in fits.most_common(LOOK_AT)]

    # --- credits --------------------------------------------------------------------------------------------------

    def wait(self, credit: Credit, *, in_front: bool = False) -> None:
        """Keep a credit until it is picked; `in_front` gives its seat back the place it had."""
        seat = credit.seat
        was_idle = bool(seat.waiting)
        seat.waiting[credit.claim_id] = credit
        if not was_idle and not seat.is_stopped:
            if not in_front:
                seat.turn = self._next_turn()
            self._line_up(seat)
            if in_front and seat in seat.kind.idle:
                seat.kind.idle.move_to_end(seat, last=False)

    def forget(self, credit: Credit) -> None:
        """Take a waiting credit out."""
        del credit.seat.waiting[credit.claim_id]
        if not credit.seat.waiting:
            credit.seat.kind.idle.pop(credit.seat, None)

    def pick(self, class_id: int, favourites: Iterable[str] = ()) -> Credit | None:
        """Take a credit to claim a task of this class with: a favourite agent's, else that of the longest idle seat."""
        wanted = self._needs[class_id].agent_id
        if wanted is not None:
            seat = self._idle_seat_of(wanted, class_id)
        else:
            present = (self._idle_seat_of(agent_id, class_id) for agent_id in favourites)
            seat = next((seat for seat in present if seat is not None), None) or self._longest_idle(class_id)
        return None if seat is None else self._take_from(seat)

    def put_last(self, agent_id: str) -> None:
        """Let all others have a turn before this agent."""
        for seat in self._seats_of.get(agent_id, ()):
            seat.turn = self._next_turn()
            if seat in seat.kind.idle:
                seat.kind.idle.move_to_end(seat)

    def set_aside(self, agent_id: str) -> None:
        """Pick nothing of this agent, until `bring_back`."""
        self._aside.add(agent_id)
        for seat in self._seats_of.get(agent_id, ()):
            seat.kind.idle.pop(seat, None)

    def bring_back(self) -> None:
        """Whoever was set aside is picked again."""
        aside, self._aside = self._aside, set()
        for agent_id in sorted(aside):
            for seat in self._seats_of.get(agent_id, ()):
                if seat.waiting:
                    self._line_up(seat)

    def compact(self) -> None:
        """Forget kinds that nobody is of any more, once they are the greater part."""
        gone = [key for key, kind in self._kinds.items() if not kind.seats]
        if 2 * len(gone) <= len(self._kinds):
            return
        for key in gone:
            del self._kinds[key]
        for class_id, line in self._lines.items():
            self._lines[class_id] = deque(kind for kind in line if kind.seats)
        self._shared = {kind.served: kind.served for kind in self._kinds.values()}

    # --- inside ---------------------------------------------------------------------------------------------------

    def _longest_idle(self, class_id: int) -> Seat | None:
        line = self._lines[class_id]
        best: Seat | None = None
        looked_at = 0
        for _ in range(len(line)):
            kind = line.popleft()
            head = next(iter(kind.idle), None)
            if head is None:
                kind.left.append(class_id)
                continue
            line.append(kind)
            best = head if best is None or head.turn < best.turn else best
            looked_at += 1
            if looked_at == LOOK_AT:
                break
        return best

    def _idle_seat_of(self, agent_id: str, class_id: int) -> Seat | None:
        idle = [
            seat
            for seat in self._seats_of.get(agent_id, ())
            if seat.waiting
            and not seat.is_stopped
            and agent_id not in self._aside
            and (class_id in seat.kind.served or class_id in seat.own)
        ]
        return min(idle, key=lambda seat: seat.turn, default=None)

    def _take_from(self, seat: Seat) -> Credit:
        credit = seat.waiting.pop(next(iter(seat.waiting)))
        seat.turn = self._next_turn()
        if seat.waiting:
            seat.kind.idle.move_to_end(seat)
        else:
            del seat.kind.idle[seat]
        return credit

    def _line_up(self, seat: Seat) -> None:
        if seat.is_stopped or seat.agent.id in self._aside:
            return
        kind = seat.kind
        kind.idle[seat] = None
        if kind.left:
            for class_id in kind.left:
                self._lines[class_id].append(kind)
            kind.left.clear()

    def _kind_of(self, agent: AgentProfile) -> Kind:
        key = (agent.agent_role, agent.tags, agent.capabilities, agent.swarm_id, agent.labels)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = Kind(*key)
            anyone = _anyone(kind)
            open_to_all = (class_id for class_id in self._lines if serves(anyone, self._needs[class_id]))
            kind.served = self._one_of(frozenset(open_to_all))
            for class_id in kind.served:
                self._lines[class_id].append(kind)
        return kind

    def _note_labels(self, agent: AgentProfile) -> None:
        for label in agent.labels:
            self._fans.setdefault(label, set()).add(agent.id)

    def _forget_labels(self, agent: AgentProfile) -> None:
        for label in agent.labels & self._fans.keys():
            self._fans[label].discard(agent.id)
            if not self._fans[label]:
                del self._fans[label]

    def _own(self, agent: AgentProfile) -> frozenset[int]:
        mine = self._classes_of.get(agent.id, NOTHING)
        return frozenset(class_id for class_id in mine if serves(agent, self._needs[class_id])) if mine else NOTHING

    def _one_of(self, served: frozenset[int]) -> frozenset[int]:
        """One object for equal sets: agents of different kinds mostly serve the same classes."""
        return self._shared.setdefault(served, served)

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


def _anyone(kind: Kind) -> AgentProfile:
    """An agent of this kind that no requirement names."""
    return AgentProfile(
        id="",
        agent_role=kind.role,
        tags=kind.tags,
        capabilities=kind.capabilities,
        skills=kind.labels,
        swarm_id=kind.swarm_id,
    )
