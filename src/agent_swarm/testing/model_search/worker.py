"""The worker of the model: one slot, a spool on disk that outlives the process, and the real lease book.

What a run may do at an instant is asked of the book. The book itself is kept as bytes: a value that compares, whatever
fields it has.
"""

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from agent_swarm.protocol.pool import LeaseRef
from agent_swarm.testing.model_search.messages import ENDINGS, Lease, Message
from agent_swarm.testing.model_search.server import LEASE_SECONDS
from agent_swarm.worker.leases import LeaseBook

_PATIENCE = 1e9  # `max_offline` is left out of the model


class Run(NamedTuple):
    """An attempt on this host: its spool, and what still runs of it."""

    lease: Lease
    is_alive: bool = True
    is_started: bool = False  # the agent runs: a start is in the spool
    start_taken: bool = False
    asks: bool = False  # people, and has no answer of the server yet that it was heard
    ending: str = ""
    detail: str = ""


class Worker(NamedTuple):
    """One host. `clock` is what its processes measure leases with, in seconds."""

    number: int
    clock: int
    rate: int  # seconds its clock counts per tick
    instance: int = 0
    is_up: bool = False
    is_leaving: bool = False
    credits: int = 0
    credit: str = ""  # the open claim id
    runs: tuple[Run, ...] = ()
    book: bytes = b""
    confirms: str = ""  # the activation of the kill switch that it has carried out and the server does not know of

    @property
    def is_free(self) -> bool:
        """It has a slot for another run."""
        return self.is_up and not self.is_leaving and not any(run.is_alive and not run.ending for run in self.runs)

    def run(self, lease: Lease) -> Run | None:
        """Its attempt under this lease."""
        return next((run for run in self.runs if run.lease == lease), None)

    def having(self, changed: Run) -> "Worker":
        """With this attempt changed."""
        return self._replace(runs=tuple(changed if run.lease == changed.lease else run for run in self.runs))

    def says(self, kind: str, run: Run | None = None, **more: Any) -> Message:
        """A message to the server."""
        more = {"lease": run.lease, **more} if run is not None else more
        return Message(kind=kind, is_request=True, worker=self.number, instance=self.instance, **more)


class WorkerModel:
    """What a worker does with what it hears. Its methods are the seams at which tests plant a defect."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[bytes, Any]] = {}
        self._books: dict[str, bytes] = {}  # equal books may have been pickled to different bytes: the first stand

    # --- the lease book ---------------------------------------------------------------------------------------------

    def new_book(self) -> bytes:
        """No lease is held."""
        return pickle.dumps(LeaseBook(max_offline=_PATIENCE))

    def may_act(self, worker: Worker, lease: Lease) -> bool:
        """Whether it believes that external effects are allowed."""
        return bool(self._ask(worker.book, "may_act", lease, now=worker.clock)[1])

    def hold(self, worker: Worker, lease: Lease) -> Worker:
        """A claim was received, or is left from before. When it was matters to `max_offline` only."""
        return worker._replace(book=self._ask(worker.book, "hold", lease, now=0)[0])

    def renewed(self, worker: Worker, lease: Lease, sent_at: int) -> Worker:
        """The server renewed it."""
        times = {"sent_at": sent_at, "lease_seconds": LEASE_SECONDS, "now": worker.clock}
        return worker._replace(book=self._ask(worker.book, "renewed", lease, **times)[0])

    def let_go(self, worker: Worker, lease: Lease) -> Worker:
        """Its attempt is over."""
        return worker._replace(book=self._ask(worker.book, "let_go", lease)[0])

    def leases(self, worker: Worker) -> tuple[Lease, ...]:
        """What it renews."""
        held: tuple[Lease, ...] = self._kept_once(
            (worker.book,), lambda book: tuple(Lease(one.task_id, one.fence) for one in book.leases)
        )[1]
        return held

    def _ask(self, book: bytes, method: str, lease: Lease, **times: int) -> tuple[bytes, Any]:
        key = (book, method, lease, *times.items())
        return self._kept_once(key, lambda held: getattr(held, method)(_ref(lease), **times))

    def _kept_once(self, key: tuple[Any, ...], call: Callable[[LeaseBook], Any]) -> tuple[bytes, Any]:
        kept = self._kept.get(key)
        if kept is None:
            book: LeaseBook = pickle.loads(key[0])
            answer = call(book)
            kept = self._kept[key] = (self._books.setdefault(repr(vars(book)), pickle.dumps(book)), answer)
        return kept

    # --- what it hears ----------------------------------------------------------------------------------------------

    def hear(self, worker: Worker, message: Message) -> Worker:
        """A message of the server arrives."""
        match message.kind:
            case "claimed":
                return self._claimed(worker, message) if message.claim == worker.credit else worker
            case "noClaim":
                return worker._replace(credit="") if message.claim == worker.credit else worker
            case "beaten":
                return self._beaten(worker, message)
            case "kill":
                return self.kill(worker)._replace(confirms=message.detail)
            case "confirmed":
                return worker._replace(confirms="")
            case _:
                return self._answered(worker, message)

    def kill(self, worker: Worker) -> Worker:
        """Everything that runs ends at once, without news; endings that are on disk are delivered all the same."""
        for run in worker.runs:
            if not run.ending:
                worker = self.lost(worker, run.lease)
        return worker

    def _claimed(self, worker: Worker, message: Message) -> Worker:
        ending = "release" if worker.is_leaving else ""
        run = Run(message.lease, is_alive=not ending, ending=ending)
        return self.hold(worker._replace(credit="", runs=(*worker.runs, run)), message.lease)

    def _beaten(self, worker: Worker, message: Message) -> Worker:
        held = self.leases(worker)
        for lease in message.leases:
            run = worker.run(lease)
            if lease in held and run is not None and not run.ending:
                worker = self.renewed(worker, lease, message.sent_at)
        for lease in message.over:
            if lease in held:
                worker = self.lost(worker, lease)
        for lease in message.to_pause:
            run = worker.run(lease)
            if run is not None and not run.ending:
                worker = self.end(worker, run, "pause", "person")
        return worker

    def end(self, worker: Worker, run: Run, ending: str, detail: str = "") -> Worker:
        """The ending is on disk. Its lease is renewed until it is delivered, but allows nothing any more."""
        worker = self.hold(self.let_go(worker, run.lease), run.lease)
        return worker.having(run._replace(asks=False, ending=ending, detail=detail))

    def is_deaf_to(self, worker: Worker, message: Message) -> bool:
        """The message will never mean anything to it."""
        match message.kind:
            case "claimed" | "noClaim":
                return message.claim != worker.credit
            case "kill":
                return False
            case "confirmed":
                return message.detail != worker.confirms
            case "beaten":
                return not set(self.leases(worker)) & {*message.leases, *message.over, *message.to_pause}
            case _:
                return worker.run(message.lease) is None

    def lost(self, worker: Worker, lease: Lease) -> Worker:
        """The server gave the lease up: what runs ends without news; an ending is delivered to hear its answer."""
        worker, run = self.let_go(worker, lease), worker.run(lease)
        if run is None or run.ending:
            return worker
        return worker._replace(runs=tuple(one for one in worker.runs if one.lease != lease))

    def _answered(self, worker: Worker, message: Message) -> Worker:
        run = worker.run(message.lease)
        if run is None:
            return worker
        if message.about == "ask":
            return worker.having(run._replace(asks=False))  # heard, or nothing more of this attempt is
        if message.about == "start":
            if message.kind == "taken":
                return worker.having(run._replace(start_taken=True))
            return self._forget(worker, run)  # nothing more of this attempt is wanted
        return self._forget(worker, run) if message.about in ENDINGS else worker

    def _forget(self, worker: Worker, run: Run) -> Worker:
        return self.let_go(worker._replace(runs=tuple(one for one in worker.runs if one != run)), run.lease)


@cache
def _ref(lease: Lease) -> LeaseRef:
    return LeaseRef(task_id=lease.task, fence=lease.fence)
