"""What a person may be: the three roles of users.

What each of them may do is said where scopes are (`services.tokens`), in one rule: a viewer reads, an operator writes,
too, an admin looks after users, keys and the switch besides.
"""

from enum import StrEnum


class Role(StrEnum):
    """A user's role."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
