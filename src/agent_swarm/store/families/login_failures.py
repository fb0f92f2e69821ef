"""Failed log-ins, counted in the database: a restart forgets none, and all servers on it count together.

The name that was tried is kept as a digest: people type passwords into the wrong field.
"""

from dataclasses import dataclass

from agent_swarm.domain import lockout
from agent_swarm.domain.lockout import LockPolicy, Tally
from agent_swarm.store.families.family import Family
from agent_swarm.store.operations import Desk, RecordOperation

ANYWHERE = ""  # the address of the tally over all addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailures:
    """The failures of one name from one address, or from anywhere."""

    name_digest: str
    address: str
    failures: int = 0
    failed_at: int = 0
    locked_until: int = 0

    @property
    def tally(self) -> Tally:
        """As the rules see it."""
        return Tally(failures=self.failures, failed_at=self.failed_at, locked_until=self.locked_until)


LOGIN_FAILURES = Family("login_failure", LoginFailures, key=("name_digest", "address"))


def policy_of(address: str) -> LockPolicy:
    """The rule for a tally of this address."""
    return lockout.NAME if address == ANYWHERE else lockout.PAIR


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFailure(RecordOperation[int]):
    """Count a failed log-in; answers for how long the next one from there is not heard."""

    name_digest: str
    address: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"login:{self.name_digest}",)

    def carry_out(self, desk: Desk) -> int:
        """Both tallies grow; no event, those of a minute are told together."""
        wait = 0
        for address in (self.address, ANYWHERE):
            known = desk.get(LOGIN_FAILURES, self.name_digest, address)
            tally = lockout.after_failure(known.tally if known else Tally(), policy_of(address), now=desk.now)
            desk.put(
                LOGIN_FAILURES,
                LoginFailures(
                    name_digest=self.name_digest,
                    address=address,
                    failures=tally.failures,
                    failed_at=tally.failed_at,
                    locked_until=tally.locked_until,
                ),
            )
            wait = max(wait, tally.wait(desk.now))
        return wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearFailures(RecordOperation[None]):
    """A log-in from there went well: its tally starts anew. That over all addresses rests by itself."""

    name_digest: str
    address: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"login:{self.name_digest}",)

    def carry_out(self, desk: Desk) -> None:
        """Remove the tally."""
        desk.remove(LOGIN_FAILURES, self.name_digest, self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneFailures(RecordOperation[tuple[str, str] | None]):
    """Look at `limit` tallies from `after` on and remove those that count no more; answers where to go on, or None."""

    limit: int
    after: tuple[str, str] = ("", "")

    @property
    def keys(self) -> tuple[str, ...]:
        return ("pruneFailures",)

    def carry_out(self, desk: Desk) -> tuple[str, str] | None:
        """No event: nothing has changed for anybody."""
        found = desk.scan(LOGIN_FAILURES, after=self.after, limit=self.limit)
        for one in found:
            if one.tally.is_forgotten(policy_of(one.address), desk.now):
                desk.remove(LOGIN_FAILURES, one.name_digest, one.address)
        return (found[-1].name_digest, found[-1].address) if len(found) == self.limit else None
