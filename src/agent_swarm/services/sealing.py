"""Where secrets that the server keeps in its database are sealed and opened: one place, for one vault.

Until there is a vault they are kept as they are, as text that travels between databases; who can read the database can
then forge what they sign (docs/threat-model.md).
"""

import base64


def seal(secret: bytes, *, context: str) -> str:
    """`secret` as it is stored; `context` says what it is for, and a sealed value opens under no other."""
    del context
    return base64.b64encode(secret).decode()


def unseal(sealed: str, *, context: str) -> bytes:
    """The secret that was sealed under this context."""
    del context
    return base64.b64decode(sealed, validate=True)
