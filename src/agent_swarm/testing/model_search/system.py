"""The whole swarm of the model: what may happen next, and the rules that hold in every state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from agent_swarm.domain.tasks import PauseReason, TaskStatus
from agent_swarm.testing.model_search.messages import Message
from agent_swarm.testing.model_search.server import LEASE_SECONDS, Asked, Moved, Server, ServerModel, answer
from agent_swarm.testing.model_search.worker import Run, Worker, WorkerModel

TICK = LEASE_SECONDS // 2  # seconds: enough to tell a lease, its 80 % and a clock that is a fifth slow apart
SLOW = 12  # seconds that a clock may count for a tick, at the least: what the last 20 % of a lease are for
NO_OVERLAP = "a worker that may act holds the task"
ACKNOWLEDGED = "no acknowledged write is lost"
FOR_PEOPLE = (PauseReason.PERSON, PauseReason.KILL)
DEAD_END = "from every state the task can end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a search goes. Loss of messages is never bounded."""

    tasks: int = 1
    workers: int = 2
    rates: tuple[int, ...] = (TICK, SLOW)  # of the workers' clocks, seconds per tick
    ticks: int = 4
    attempts: int = 2
    in_flight: int = 2
    copies: int = 1
    server_crashes: int = 1
    worker_crashes: int = 1  # kills and shutdowns
    orders: int = 1  # of people
    failures: int = 1
    kills: int = 0  # uses of the kill switch
    questions: int = 0  # of agents to people
    offers: int = 0  # that a person makes


class Left(NamedTuple):
    """What may still go wrong, or be asked for, within the bounds."""

    copies: int
    server_crashes: int
    worker_crashes: int
    orders: int
    failures: int
    kills: int = 0
    questions: int = 0
    offers: int = 0


class State(NamedTuple):
    """The swarm between two moves. `judges_from`: until then the server leaves leases alone (rule T7)."""

    now: int
    server: Server
    judges_from: int
    workers: tuple[Worker, ...]
    net: tuple[Message, ...]  # a set, sorted
    left: Left
    broken: str | None = None  # a rule that the move to this state broke


Move = tuple[str, State]


class System:
    """Meets `search.Model`."""

    def __init__(self, bounds: Bounds, server: ServerModel | None = None, worker: WorkerModel | None = None) -> None:
        self.bounds = bounds
        self.servers = server or ServerModel(bounds.tasks, tells_pins_apart=bounds.offers > 0)
        self.workers = worker or WorkerModel()

    def initial(self) -> Iterator[State]:
        """Tasks are filed, all workers have just registered."""
        bounds = self.bounds
        left = Left(
            bounds.copies,
            bounds.server_crashes,
            bounds.worker_crashes,
            bounds.orders,
            bounds.failures,
            bounds.kills,
            bounds.questions,
            bounds.offers,
        )
        hosts = tuple(Worker(number, 0, bounds.rates[number]) for number in range(bounds.workers))
        state = State(0, self.servers.initial(), 0, hosts, (), left)
        for number in range(bounds.workers):
            state = self.start_up(state, number)
        yield state

    def moves(self, state: State) -> Iterator[Move]:
        """Everything that may happen next."""
        yield from self._network(state)
        for worker in state.workers:
            yield from self._worker(state, worker)
        yield from self._people(state)
        yield from self._time(state)
        if state.left.server_crashes:
            yield "the server is killed and started again", self.restart_server(state)

    # --- the network ------------------------------------------------------------------------------------------------

    def _network(self, state: State) -> Iterator[Move]:
        """A request that gets lost is one that was not sent; so only answers are lost."""
        for message in state.net:
            if not message.is_request:
                yield str(message), self.hear(state, message)
                continue
            arrived, reply = self.take(without(state, message), message)
            yield f"{message}, the answer is lost" if reply else str(message), arrived
            if reply:
                yield str(message), with_message(arrived, reply)
            if state.left.copies:
                left = state.left._replace(copies=state.left.copies - 1)
                copied, reply = self.take(state._replace(left=left), message)
                yield f"a copy of {message}", with_message(copied, reply) if reply else copied

    def take(self, state: State, message: Message) -> tuple[State, Message | None]:
        """A request arrives; the answer, where somebody is there to hear it."""
        worker = state.workers[message.worker]
        moved = self.servers.request(state.server, message, state.now)
        is_there = worker.is_up and worker.instance == message.instance
        return _moved(state, moved), answer(message, moved.reply) if is_there else None

    def hear(self, state: State, message: Message) -> State:
        """An answer arrives."""
        worker = state.workers[message.worker]
        hearing = self.workers.hear(worker, message)
        state = with_worker(without(state, message), hearing)
        return state._replace(net=tuple(m for m in state.net if not self._is_idle(hearing, m)))

    def _is_idle(self, worker: Worker, message: Message) -> bool:
        return not message.is_request and message.worker == worker.number and self.workers.is_deaf_to(worker, message)

    def _send(self, state: State, message: Message) -> Iterator[Move]:
        if message not in state.net and len(state.net) < self.bounds.in_flight:
            yield f"sent: {message}", with_message(state, message)

    # --- workers ----------------------------------------------------------------------------------------------------

    def _worker(self, state: State, worker: Worker) -> Iterator[Move]:
        name = f"worker {worker.number}"
        if not worker.is_up:
            yield f"{name} starts", self.start_up(state, worker.number)
            return
        if worker.credit:
            yield from self._send(state, worker.says("claim", claim=worker.credit))
        elif worker.is_free and len(state.server.attempts) < self.bounds.attempts:
            opened, message = open_credit(worker)
            yield from self._send(with_worker(state, opened), message)
        if worker.confirms:
            yield from self._send(state, worker.says("confirm", detail=worker.confirms))
        leases = self.workers.leases(worker)
        if leases:
            yield from self._send(state, worker.says("beat", leases=leases, sent_at=worker.clock))
        for run in worker.runs:
            yield from self._run(state, worker, run)
        if worker.is_leaving and not worker.runs:
            yield f"{name} says goodbye", self.sign_off(state, worker)
        if state.left.worker_crashes:
            state = state._replace(left=state.left._replace(worker_crashes=state.left.worker_crashes - 1))
            yield f"{name} is killed", with_worker(state, killed(worker))
            if not worker.is_leaving:
                yield f"{name} is asked to leave", with_worker(state, self.leaving(worker))

    def _run(self, state: State, worker: Worker, run: Run) -> Iterator[Move]:
        name = f"worker {worker.number}, {run.lease}"
        if run.is_started and not run.start_taken:
            yield from self._send(state, worker.says("start", run))
        elif run.ending:
            yield from self._send(state, worker.says(run.ending, run, detail=run.detail))
        if run.asks:
            yield from self._send(state, worker.says("ask", run))
        if not run.is_alive or run.ending:
            return
        if not run.is_started:
            if self.workers.may_act(worker, run.lease):
                yield f"{name}: the agent starts", with_worker(state, worker.having(run._replace(is_started=True)))
            return
        if self.workers.may_act(worker, run.lease):
            yield f"{name}: done, and pushed", with_worker(state, self.workers.end(worker, run, "complete"))
        if state.left.questions and not run.asks:
            left = state.left._replace(questions=state.left.questions - 1)
            asking = with_worker(state, worker.having(run._replace(asks=True)))
            yield f"{name}: the agent asks people", asking._replace(left=left)
        if state.left.failures:
            left = state.left._replace(failures=state.left.failures - 1)
            failed = with_worker(state, self.workers.end(worker, run, "fail"))
            yield f"{name}: the agent fails", failed._replace(left=left)

    def start_up(self, state: State, number: int) -> State:
        """A new process of a worker registers with what the last one left on disk."""
        worker = state.workers[number]
        held = tuple(run.lease for run in worker.runs)
        moved = self.servers.register(state.server, number, worker.instance + 1, held, state.now)
        fresh = worker._replace(is_up=True, instance=worker.instance + 1, book=self.workers.new_book())
        fenced = {(one.task_id, one.fence) for one in moved.reply.fenced}
        for lease in held:
            if lease not in fenced:
                fresh = self.workers.hold(fresh, lease)
        return with_worker(_moved(state, moved), fresh)

    def leaving(self, worker: Worker) -> Worker:
        """It takes no more work; what runs is interrupted and keeps its place, what did not start goes back."""
        for run in worker.runs:
            if run.is_started and not run.ending:
                worker = self.workers.end(worker, run, "pause", "shutdown")
            elif not run.ending:
                worker = self.workers.end(worker, run, "release")
        return worker._replace(is_leaving=True)

    def sign_off(self, state: State, worker: Worker) -> State:
        """A worker that has delivered everything goes."""
        moved = self.servers.sign_off(state.server, worker.number, worker.instance, state.now)
        return with_worker(_moved(state, moved), killed(worker))

    # --- people, the clock, the server ------------------------------------------------------------------------------

    def _people(self, state: State) -> Iterator[Move]:
        if state.left.kills and not state.server.killed:
            left = state.left._replace(kills=state.left.kills - 1)
            killed, told = self.kill(state._replace(left=left))
            yield "a person: the kill switch, which nobody hears of", killed
            for message in told:
                yield f"a person: the kill switch, and {message}", with_message(killed, message)
        yield from self._offers(state)
        if not state.left.orders:
            return
        left = state.left._replace(orders=state.left.orders - 1)
        for task in state.server.tasks:
            for what in () if task.is_terminal else ("cancel", "requestPause"):
                yield f"a person: {what} {task.id[-1]}", self.order(state._replace(left=left), what, task.id)

    def _offers(self, state: State) -> Iterator[Move]:
        """A person offers what is in the queue; whoever was asked answers."""
        for task in state.server.tasks:
            if task.status is TaskStatus.PENDING and task.pinned_agent is None and state.left.offers:
                left = state.left._replace(offers=state.left.offers - 1)
                for worker in state.workers:
                    name = f"a person: offers {task.id[-1]} to worker {worker.number}"
                    yield name, self._offered(state._replace(left=left), task.id, worker)
            if task.status is TaskStatus.OFFERED:
                for accepts in (True, False):
                    moved = self.servers.answer_offer(state.server, task.id, state.now, accepts=accepts)
                    yield f"{'accepted' if accepts else 'rejected'}: {task.id[-1]}", _moved(state, moved)

    def _offered(self, state: State, task_id: str, worker: Worker) -> State:
        return _moved(state, self.servers.offer(state.server, task_id, worker.number, state.now))

    def kill(self, state: State) -> tuple[State, list[Message]]:
        """The kill switch is used; what each worker that is up is told, if it hears of it."""
        activation = str(state.left.kills)
        told = [
            Message("kill", is_request=False, worker=one.number, instance=one.instance, detail=activation)
            for one in state.workers
            if one.is_up
        ]
        return _moved(state, self.servers.kill(state.server, activation, state.now)), told

    def lift(self, state: State, *, resume: bool) -> State:
        """The kill switch is lifted."""
        return _moved(state, self.servers.lift(state.server, state.now, resume=resume))

    def order(self, state: State, what: str, task_id: str) -> State:
        """A person's wish is carried out, or refused."""
        return _moved(state, self.servers.order(state.server, what, task_id, state.now))

    def _time(self, state: State) -> Iterator[Move]:
        for task in state.server.tasks:
            if task.status is TaskStatus.PAUSED and task.pause_reason in FOR_PEOPLE:
                yield f"a person: resume {task.id[-1]}", self.order(state, "resume", task.id)
        if state.server.killed:
            yield "a person: the kill switch is lifted, and all goes on", self.lift(state, resume=True)
        yield from self._answers(state)
        due = self.servers.next_timer(state.server)
        if due is not None and due <= state.now:
            yield "timers", self.timers(state)
        if state.now < self.bounds.ticks * TICK:
            yield "time passes", self.pass_time(state)

    def _answers(self, state: State) -> Iterator[Move]:
        for asked in state.server.asked:
            yield f"a person answers {asked.task[-1]}", self.reply(state, asked, denies=False)
            yield f"a person says no to {asked.task[-1]}", self.reply(state, asked, denies=True)
        if state.server.unsettled(state.now):
            yield "what nobody answers is settled", self.settle(state)

    def reply(self, state: State, asked: Asked, *, denies: bool) -> State:
        """A person answers, in time or too late."""
        return _moved(state, self.servers.reply(state.server, asked, state.now, denies=denies))

    def settle(self, state: State) -> State:
        """The server settles what nobody answers any more."""
        return _moved(state, self.servers.settle(state.server, state.now))

    def timers(self, state: State) -> State:
        """The server carries out what is due."""
        leases = state.now >= state.judges_from
        return _moved(state, self.servers.timers(state.server, state.now, leases=leases))

    def pass_time(self, state: State, ticks: int = 1) -> State:
        """Every clock goes on, each at its rate."""
        workers = tuple(worker._replace(clock=worker.clock + ticks * worker.rate) for worker in state.workers)
        return state._replace(now=state.now + ticks * TICK, workers=workers)

    def restart_server(self, state: State) -> State:
        """Connections break; what was committed is there; leases are left alone for one lease."""
        left = state.left._replace(server_crashes=state.left.server_crashes - 1)
        server = self.servers.recovered(state.server)
        ends = {(one.task, one.fence): one.outcome for one in server.attempts}
        forgot = any(ends.get((one.task, one.fence)) is not one.outcome for one in state.server.attempts)
        return state._replace(
            server=server,
            net=(),
            judges_from=state.now + LEASE_SECONDS,
            left=left,
            broken=ACKNOWLEDGED if forgot else None,
        )

    # --- rules ------------------------------------------------------------------------------------------------------

    def broken(self, state: State) -> str | None:
        """The name of a rule that does not hold."""
        if state.broken or state.server.broken:
            return state.broken or state.server.broken
        return NO_OVERLAP if any(self._overlaps(state, worker) for worker in state.workers) else None

    def _overlaps(self, state: State, worker: Worker) -> bool:
        """It may act on a task that another one holds."""
        for run in worker.runs:
            if not (worker.is_up and run.is_alive and not run.ending):
                continue
            task = state.server.task(run.lease.task)
            if task.is_held and task.fence != run.lease.fence and self.workers.may_act(worker, run.lease):
                return True
        return False


def open_credit(worker: Worker) -> tuple[Worker, Message]:
    """A free slot makes a claim id, and offers it."""
    opened = worker._replace(
        credits=worker.credits + 1, credit=f"{worker.number}-{worker.instance}-{worker.credits + 1}"
    )
    return opened, opened.says("claim", claim=opened.credit)


def killed(worker: Worker) -> Worker:
    """Only what is on disk is left; every attempt gets an ending at the next start."""
    runs = tuple(run._replace(is_alive=False, asks=False, ending=run.ending or "lost") for run in worker.runs)
    return worker._replace(is_up=False, is_leaving=False, credit="", runs=runs, book=b"")


def with_worker(state: State, worker: Worker) -> State:
    """With this worker changed; what was on its way to a process that is gone is lost."""
    workers = tuple(worker if other.number == worker.number else other for other in state.workers)
    gone = not worker.is_up
    net = tuple(m for m in state.net if m.is_request or m.worker != worker.number) if gone else state.net
    return state._replace(workers=workers, net=net)


def with_message(state: State, message: Message) -> State:
    """With one more message under way."""
    return state._replace(net=tuple(sorted({*state.net, message})))


def without(state: State, message: Message) -> State:
    """With one message less."""
    return state._replace(net=tuple(other for other in state.net if other != message))


def _moved(state: State, moved: Moved) -> State:
    return state._replace(server=moved.server, broken=moved.broken)
