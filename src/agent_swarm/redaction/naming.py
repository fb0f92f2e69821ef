"""Which variables of an environment hold secrets, by their names and by what is in them."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKENS?|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|CREDENTIALS?|PAT|AUTH|COOKIE)(?:_|$)",
    re.IGNORECASE,
)
_PLACES = ("/", "~/", "./", "file:")  # where a secret is, not the secret
_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,100}:([^\s/@\"']{1,200})@", re.IGNORECASE)
_NOT_SECRET = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "GPG_KEY"})


def secrets_in(environ: Mapping[str, str]) -> Iterator[str]:
    """The values that nobody should be shown: what a name calls a secret, and passwords in addresses."""
    for name, value in environ.items():
        for password in _PASSWORD.findall(value):
            yield from {password, unquote(password)}
        if name not in _NOT_SECRET and _SECRET_NAME.search(name) and not value.startswith(_PLACES):
            yield from (value, *(part for part in value.split(",") if part != value))  # several accounts
