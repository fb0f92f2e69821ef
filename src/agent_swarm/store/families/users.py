"""Users come, are changed, and go. What changes who may log in ends the sessions of that user in the same moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent_swarm.domain.errors import AlreadyExists, NotFound
from agent_swarm.domain.roles import Role
from agent_swarm.store.events import Draft
from agent_swarm.store.families.accounts import USERS, UserRecord, owner_of
from agent_swarm.store.families.sessions import end_all_of
from agent_swarm.store.operations import Desk, RecordOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser(RecordOperation[UserRecord]):
    """Add a user; raises AlreadyExists where the name is taken."""

    user: UserRecord
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{owner_of(self.user.name)}",)

    def carry_out(self, desk: Desk) -> UserRecord:
        """Names are given once."""
        if desk.get(USERS, self.user.name) is not None:
            raise AlreadyExists(
                f"a user {self.user.name!r} exists",
                hint="choose another name, or change that user: agent-swarm user role|password",
                details={"user": self.user.name},
            )
        made = replace(self.user, created_at=desk.now, password_set_at=desk.now)
        desk.put(USERS, made)
        desk.say(_about("user.created", self.actor, made.name, {"role": made.role.value}))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser(RecordOperation[UserRecord]):
    """Give a user another role, another password, or (not) the right to log in; None leaves it as it is.

    Answers the user as it then is; raises NotFound. A new password and being disabled end all sessions; a new role
    counts from the next request on.
    """

    name: str
    actor: str
    role: Role | None = None
    password_hash: str | None = field(default=None, repr=False)
    disabled: bool | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{owner_of(self.name)}",)

    def carry_out(self, desk: Desk) -> UserRecord:
        """One event, of what has really changed."""
        before = desk.get(USERS, self.name)
        if before is None:
            raise unknown_user(self.name)
        after = replace(before, role=self.role or before.role)
        if self.password_hash is not None:
            after = replace(after, password_hash=self.password_hash, password_set_at=desk.now)
        if self.disabled is not None and self.disabled != (before.disabled_at is not None):
            after = replace(after, disabled_at=desk.now if self.disabled else None)
        changes = _changes(before, after)
        if not changes:
            return before
        desk.put(USERS, after)
        desk.say(_about("user.changed", self.actor, self.name, changes))
        if "password" in changes or after.disabled_at is not None:
            reason = "passwordChanged" if "password" in changes else "disabled"
            end_all_of(desk, owner_of(self.name), actor=self.actor, reason=reason)
        return after


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveUser(RecordOperation[UserRecord]):
    """Remove a user and end all sessions; answers the user that was. Raises NotFound."""

    name: str
    actor: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (f"sessions:{owner_of(self.name)}",)

    def carry_out(self, desk: Desk) -> UserRecord:
        """What the user did stays in the events."""
        user = desk.get(USERS, self.name)
        if user is None:
            raise unknown_user(self.name)
        end_all_of(desk, owner_of(self.name), actor=self.actor, reason="removed")
        desk.remove(USERS, self.name)
        desk.say(_about("user.removed", self.actor, self.name, {}))
        return user


def unknown_user(name: str) -> NotFound:
    """There is no such user."""
    return NotFound(f"there is no user {name!r}", hint="list users with: agent-swarm user list", details={"user": name})


def _changes(before: UserRecord, after: UserRecord) -> dict[str, object]:
    changes: dict[str, object] = {}
    if after.role is not before.role:
        changes["role"] = after.role.value
    if after.password_hash != before.password_hash:
        changes["password"] = True
    if after.disabled_at != before.disabled_at:
        changes["disabled"] = after.disabled_at is not None
    return changes


def _about(event_type: str, actor: str, name: str, data: Mapping[str, object]) -> Draft:
    return Draft(type=event_type, actor=actor, subject_kind="user", subject_id=name, data=data)
