"""What travels between the workers and the server of the model, and the names both know."""

from typing import NamedTuple

TASKS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
AGENTS = tuple(f"00000000-0000-4000-9000-00000000000{number}" for number in (1, 2))

ENDINGS = frozenset({"complete", "fail", "pause", "release", "lost"})


class Lease(NamedTuple):
    """An attempt, by task and fencing token."""

    task: str
    fence: int

    def __str__(self) -> str:
        return f"task {self.task[-1]} fence {self.fence}" if self.task else "nothing"


NO_LEASE = Lease("", 0)


class Message(NamedTuple):
    """One message on its way.

    To the server: `claim`, `beat`, `start`, `ask`, endings and `confirm`. To a worker: `claimed`, `noClaim`, `beaten`,
    `kill`, `confirmed`, and `taken`, `refused` or `stale` as the answer to `about`.
    """

    kind: str
    is_request: bool
    worker: int
    instance: int
    lease: Lease = NO_LEASE
    claim: str = ""
    about: str = ""
    detail: str = ""  # why a run was paused; which activation of the kill switch
    sent_at: int = 0  # by the clock of the worker
    leases: tuple[Lease, ...] = ()  # to renew; in an answer those renewed
    over: tuple[Lease, ...] = ()  # those not renewed
    to_pause: tuple[Lease, ...] = ()

    def __str__(self) -> str:
        way = f"worker {self.worker} -> server" if self.is_request else f"server -> worker {self.worker}"
        told = [self.kind, self.claim, self.about, str(self.lease) if self.lease.task else ""]
        told += [f"sent at {self.sent_at}" if self.kind in ("beat", "beaten") else ""]
        return f"{way}: {' '.join(word for word in told if word)}"
