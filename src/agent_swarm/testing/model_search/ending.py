"""No dead ends: from a state onwards, when faults stop, the tasks come to an end.

That nothing but faults keeps a task from its end is shown by doing it: messages under way are lost, workers that are
down start, and everybody does what is next, round by round, with the same moves that the search makes. States that
differ only in what was under way and in what might still go wrong end alike, so each such class is tried once.
"""

from typing import NamedTuple

from agent_swarm.domain.tasks import TaskStatus
from agent_swarm.testing.model_search.messages import Message
from agent_swarm.testing.model_search.server import Server
from agent_swarm.testing.model_search.system import FOR_PEOPLE, TICK, State, System, open_credit, with_worker
from agent_swarm.testing.model_search.worker import Run, Worker

ROUNDS = 60


class _Class(NamedTuple):
    now: int
    server: Server
    judges_from: int
    workers: tuple[Worker, ...]


class Endings:
    """Knows which states come to an end."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._good: set[_Class] = set()

    def come(self, state: State) -> bool:
        """Whether every task ends when nothing goes wrong any more."""
        passed: list[_Class] = []
        for _ in range(ROUNDS):
            if state.server.has_ended:
                break
            here = _Class(state.now, state.server, state.judges_from, state.workers)
            if here in self._good:
                break
            passed.append(here)
            state = self._round(state._replace(net=()))
        else:
            return False
        self._good.update(passed)
        return True

    def _round(self, state: State) -> State:
        """Everybody does what is next, and time passes."""
        for number in range(len(state.workers)):
            state = self._turn(state, number)
        if state.server.killed:
            state = self._system.lift(state, resume=False)
        for task in state.server.tasks:
            if task.status is TaskStatus.PAUSED and task.pause_reason in FOR_PEOPLE:
                state = self._system.order(state, "resume", task.id)
        state = self._answered(state)
        due = self._system.servers.next_timer(state.server)
        if due is not None and due <= state.now:
            state = self._system.timers(state)
            due = self._system.servers.next_timer(state.server)
        is_quiet = not any(task.is_held for task in state.server.tasks)
        far = (due - state.now) // TICK if due is not None and is_quiet else 1
        return self._system.pass_time(state, max(1, far))

    def _answered(self, state: State) -> State:
        """People answer what they are asked, and the server settles the rest."""
        for asked in state.server.asked:
            if asked.is_open:
                state = self._system.reply(state, asked, denies=False)
        return self._system.settle(state) if state.server.unsettled(state.now) else state

    def _turn(self, state: State, number: int) -> State:
        worker = state.workers[number]
        if not worker.is_up:
            state = self._system.start_up(state, number)
        elif worker.is_leaving and not worker.runs:
            return self._system.sign_off(state, worker)
        leases = self._system.workers.leases(state.workers[number])
        if leases:
            worker = state.workers[number]
            state = self._exchange(state, worker.says("beat", leases=leases, sent_at=worker.clock))
        for run in state.workers[number].runs:
            state = self._advance(state, number, run)
        worker = state.workers[number]
        if worker.credit:
            return self._exchange(state, worker.says("claim", claim=worker.credit))
        if worker.is_free:
            opened, message = open_credit(worker)
            return self._exchange(with_worker(state, opened), message)
        return state

    def _advance(self, state: State, number: int, run: Run) -> State:
        """One step of a run: it starts, says so, is done, or says how it ended."""
        worker, workers = state.workers[number], self._system.workers
        if run.is_started and not run.start_taken:
            return self._exchange(state, worker.says("start", run))
        if run.ending:
            return self._exchange(state, worker.says(run.ending, run, detail=run.detail))
        if not workers.may_act(worker, run.lease):
            return state
        if run.asks:
            return self._exchange(state, worker.says("ask", run))
        if run.is_started:
            return with_worker(state, workers.end(worker, run, "complete"))
        return with_worker(state, worker.having(run._replace(is_started=True)))

    def _exchange(self, state: State, message: Message) -> State:
        """A request and its answer, without a fault."""
        state, reply = self._system.take(state, message)
        return self._system.hear(state, reply) if reply is not None else state
