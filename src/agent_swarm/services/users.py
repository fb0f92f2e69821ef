"""Users: what an admin asks for becomes an operation, or an answer made of one read."""

import re
from collections.abc import Callable

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import new_id
from agent_swarm.domain.roles import Role
from agent_swarm.domain.time import to_wire
from agent_swarm.protocol.auth import Session, User, UserList
from agent_swarm.services import cursors
from agent_swarm.services.tokens import Identity
from agent_swarm.store.base import Queries
from agent_swarm.store.families.accounts import USERS, SessionRecord, UserRecord
from agent_swarm.store.families.users import ChangeUser, CreateUser, RemoveUser, unknown_user

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def user_name(text: str) -> str:
    """A user's name as it is kept; raises InvalidInput for what cannot be one."""
    name = text.strip().lower()
    if not NAME.fullmatch(name):
        raise InvalidInput(
            "username is not the name of a user: expected 1 to 64 letters, digits, dots, dashes and underscores",
            hint="begin and end it with a letter or a digit",
            details={"field": "username"},
        )
    return name


def create_user(name: str, role: Role, password_hash: str, *, by: Identity) -> CreateUser:
    """Add a user."""
    user = UserRecord(name=name, id=new_id(), role=role, password_hash=password_hash)
    return CreateUser(user=user, actor=by.actor)


def change_user(
    name: str, *, role: Role | None, password_hash: str | None, disabled: bool | None, by: Identity
) -> ChangeUser:
    """Change a user; None leaves a thing as it is."""
    return ChangeUser(name=name, actor=by.actor, role=role, password_hash=password_hash, disabled=disabled)


def remove_user(name: str, *, by: Identity) -> RemoveUser:
    """Remove a user."""
    return RemoveUser(name=name, actor=by.actor)


def get_user(name: str) -> Callable[[Queries], User]:
    """A reading: one user. Raises NotFound."""

    def reading(queries: Queries) -> User:
        found = queries.record(USERS, name)
        if found is None:
            raise unknown_user(name)
        return user_view(found)

    return reading


def list_users(*, cursor: str | None, limit: int) -> Callable[[Queries], UserList]:
    """A reading: a page of the users, by name."""
    place = cursors.read_words(cursor, 1)

    def reading(queries: Queries) -> UserList:
        found = queries.scan(USERS, after=place, limit=limit + 1)
        shown, following = cursors.page(found, limit, lambda user: cursors.after_words(user.name))
        return UserList(users=[user_view(user) for user in shown], next_cursor=following)

    return reading


def user_view(user: UserRecord) -> User:
    """A user as people see it."""
    return User(
        name=user.name,
        id=user.id,
        role=user.role,
        is_disabled=user.disabled_at is not None,
        created_at=to_wire(user.created_at),
        password_set_at=to_wire(user.password_set_at),
    )


def session_view(session: SessionRecord, *, current: str) -> Session:
    """A session as people see it; `current` is the id of the one that asks."""
    return Session(
        id=session.id,
        owner=session.owner,
        address=session.address,
        created_at=to_wire(session.created_at),
        refreshed_at=to_wire(session.refreshed_at),
        expires_at=to_wire(session.expires_at),
        is_current=session.id == current,
    )
