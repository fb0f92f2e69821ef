"""Secret references: how a stored value says where the secret is kept. Pure.

    ref:env://NAME                          a variable of the server
    ref:file:///run/secrets/token[#key]     a file, or one entry of a file
    ref:keyring://service/user              the keyring of the server's user
    ref:vault://secret/data/github#token    HashiCorp Vault, KV version 2; [?version=3]
    ref:gcp-sm://project/name[/version]     Google Secret Manager; [#key]
    ref:aws-sm://name[#key]                 AWS Secrets Manager; [?version=…]

A reference never says where a backend is or who asks it: that is for the server's settings, so that whoever may store a
value cannot send the server, or its credentials, anywhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent_swarm.vault.backends.errors import InvalidReference, SecretDenied

PREFIX = "ref:"
LONGEST = 1_024
SETTING = "AGENT_SWARM_SECRET_REFERENCES"

_SEGMENT = r"[A-Za-z0-9_.@=+:-]+"
_SEGMENTS = rf"{_SEGMENT}(?:/{_SEGMENT})*"


@dataclass(frozen=True, slots=True)
class _Form:
    """What may stand after `scheme://`."""

    path: re.Pattern[str]
    example: str
    version: re.Pattern[str] | None = None
    has_field: bool = True


FORMS = {
    "env": _Form(re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "env://GITHUB_TOKEN", has_field=False),
    "file": _Form(re.compile(r"(?:/[^/\x00-\x1f\x7f]+)+"), "file:///run/secrets/github_token"),
    "keyring": _Form(re.compile(r"[^\x00-\x1f\x7f]+/[^/\x00-\x1f\x7f]+"), "keyring://swarm/github", has_field=False),
    "vault": _Form(
        re.compile(rf"{_SEGMENTS}/data/{_SEGMENTS}"), "vault://secret/data/github#token", re.compile(r"[1-9][0-9]{0,9}")
    ),
    "gcp-sm": _Form(
        re.compile(r"[a-z0-9][a-z0-9:.-]{0,99}/[A-Za-z0-9_-]{1,255}(?:/[A-Za-z0-9_-]{1,63})?"),
        "gcp-sm://my-project/github-token",
    ),
    "aws-sm": _Form(re.compile(_SEGMENTS), "aws-sm://prod/github#token", re.compile(r"[A-Za-z0-9._-]{1,256}")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a secret is kept. `field` picks one entry of it, `version` an older one; empty: all of it, the newest."""

    scheme: str
    path: str
    field: str = ""
    version: str = ""

    @property
    def place(self) -> str:
        """What the patterns of allowed references are compared with."""
        return f"{self.scheme}://{self.path}"

    def __str__(self) -> str:
        version = f"?version={self.version}" if self.version else ""
        return f"{self.place}{version}{f'#{self.field}' if self.field else ''}"


def is_reference(value: str) -> bool:
    """Whether a stored value says where the value is kept, well or badly."""
    return value.lstrip().startswith(PREFIX)


def reference_in(value: str) -> Reference | None:
    """The reference that a stored value is; None for one that stands for itself. Raises InvalidReference."""
    return parse(value.strip().removeprefix(PREFIX)) if is_reference(value) else None


def parse(text: str) -> Reference:
    """A reference without its prefix. Raises InvalidReference; what follows the scheme may be a secret by mistake, and
    stands in no message.
    """
    scheme, separator, rest = text.partition("://")
    form = FORMS.get(scheme)
    if not separator or form is None:
        raise InvalidReference(
            f"a value that begins with {PREFIX} names no secret backend; expected one of: {', '.join(FORMS)}",
            hint=f"write it like {PREFIX}{FORMS['vault'].example}",
        )
    place, has_field, field = rest.partition("#")
    path, has_version, version = place.partition("?version=") if form.version else (place, "", "")
    if len(text) > LONGEST or not form.path.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise _malformed(scheme, form, "what follows the scheme is not of its form")
    if (has_field and not field) or (field and not form.has_field) or not field.isprintable():
        raise _malformed(scheme, form, "what follows # is not the name of an entry")
    if has_version and not (form.version and form.version.fullmatch(version)):
        raise _malformed(scheme, form, "what follows ?version= is not a version")
    return Reference(scheme=scheme, path=path, field=field, version=version)


def _malformed(scheme: str, form: _Form, problem: str) -> InvalidReference:
    return InvalidReference(
        f"the reference to {scheme} cannot be read: {problem}", hint=f"write it like {PREFIX}{form.example}"
    )


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which references this server follows, as patterns such as `vault://secret/data/swarm/*`; none by default.

    Whoever may store a value could else have the server fetch whatever the server itself may read.
    """

    patterns: Sequence[str] = ()

    def has(self, place: str) -> bool:
        """Whether one of the patterns is met."""
        return any(fnmatchcase(place, pattern) for pattern in self.patterns)

    def require(self, reference: Reference) -> None:
        """Raise SecretDenied for a reference that is not on the list."""
        if not self.has(reference.place):
            raise SecretDenied(
                f"this server does not follow the reference {reference.place}: "
                + (f"it matches none of {SETTING}" if self.patterns else f"{SETTING} is not set"),
                hint=f"an operator of the server can allow it, with a pattern: {SETTING}='{reference.scheme}://…/*'",
            )


EVERYTHING = Allowed(("*",))  # for references that stand in the server's own settings
