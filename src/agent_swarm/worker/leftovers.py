"""What an earlier process of this worker did not get to tell the server: each attempt gets an ending, and goes out."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import structlog

from agent_swarm.domain.tasks import FailureClass
from agent_swarm.faults import crash_point
from agent_swarm.worker import claims, stops
from agent_swarm.worker.home import WorkerHome
from agent_swarm.worker.spool import Kind, Spool, SpoolDamaged
from agent_swarm.worker.stops import Whereabouts
from agent_swarm.worker.workspace import Rescued

log = structlog.get_logger(__name__)


class Unattended:
    """Stands for an attempt of which nothing runs any more. Meets `heartbeats.Holder`: there is nothing to stop."""

    def cut(self) -> None:
        """Nothing runs."""

    def restored(self) -> None:
        """Nothing runs."""

    def lost(self, reason: str) -> None:
        """The delivery will hear of it, too."""

    def abandoned(self) -> None:
        """What is spooled stays spooled."""

    def wanted(self, what: Literal["pause", "cancel"]) -> None:
        """It has ended."""


async def recover(home: WorkerHome, rescued: Iterable[Rescued], redact: Callable[[Any], Any]) -> list[Spool]:
    """The spools that still hold something, each with its ending; `rescued` is what became of the workspaces."""
    saved = {(one.task_id, one.attempt): one for one in rescued}
    found: list[Spool] = []
    for folder in home.leftovers():
        try:
            spool = Spool.reopen(folder, redact)
        except SpoolDamaged as exc:
            log.error("spool_damaged", reason=exc.message)
            home.forget(folder)
            continue
        if spool.ending is None:
            ending = _lost(spool, saved.get((spool.head.task_id, spool.head.attempt)))
            await spool.end(ending.kind, ending.body)
            crash_point("leftover.ended")
        spool.close()
        if spool.is_delivered:
            spool.release()
            home.forget(folder)
        else:
            found.append(spool)
    return found


def _lost(spool: Spool, rescued: Rescued | None) -> stops.Ending:
    """The worker was killed while the attempt ran."""
    session = branch = ""
    for record in spool.records():
        session = str(record.body.get("session", session)) if record.kind is Kind.NOTE else session
        branch = str(record.body.get("branch", branch)) if record.kind is Kind.START else branch
    where = Whereabouts(session=session, branch=branch)
    snapshot = rescued.snapshot if rescued is not None else None
    if snapshot is not None and snapshot.ref is not None:
        name = claims.snapshot_name(snapshot, spool.head.task_id, spool.head.attempt)
        where = Whereabouts(session=session, branch=branch, commit=snapshot.commit or "", snapshot=name)
    said = "the worker process ended while the attempt ran"
    return stops.fail(FailureClass.INFRASTRUCTURE, "workerLost", said, where)
