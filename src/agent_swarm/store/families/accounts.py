"""Who people are to the server, and what they have open: users and their sessions, as they are kept.

What is done with them is in `users` and `sessions`. A session that has ended is gone, so nothing can bring it back;
what its tokens need to count is here and nowhere else.
"""

from dataclasses import dataclass, field

from agent_swarm.domain.roles import Role
from agent_swarm.store.families.family import Family

OPERATOR = "operator"  # the owner of sessions that an API key began


def owner_of(user_name: str) -> str:
    """How a user is named as the owner of sessions and the actor of events."""
    return f"user:{user_name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """A person. The name is lower case; `id` tells a user from a later one of the same name."""

    name: str
    id: str
    role: Role
    password_hash: str = field(repr=False)
    created_at: int = 0
    password_set_at: int = 0
    disabled_at: int | None = None


USERS = Family("user_account", UserRecord, key=("name",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A log-in that goes on: what was begun with one password or API key, and is refreshed until it ends.

    `number` counts the refresh tokens given out; only the last one counts. `key_hash` is the token that began it, where
    that was an API key: the session counts while that does. `epoch` is that of its beginning.
    """

    owner: str
    id: str
    user_id: str = ""
    key_hash: str = ""
    number: int = 1
    epoch: int = 0
    address: str = ""
    created_at: int = 0
    refreshed_at: int = 0
    expires_at: int = 0

    @property
    def user_name(self) -> str:
        """The user it belongs to; empty where an API key began it."""
        return self.owner.removeprefix("user:") if self.owner != OPERATOR else ""


SESSIONS = Family("user_session", SessionRecord, key=("owner", "id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEpoch:
    """The number that all sessions carry; raised, it ends every one of them. The kill switch has another."""

    name: str
    epoch: int


EPOCHS = Family("session_epoch", SessionEpoch, key=("name",))
EPOCH_NAME = "sessions"
