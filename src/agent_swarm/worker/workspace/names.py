"""The names of branches and refs, and what is let through as an id, a branch or a commit.

Everything that becomes part of a path or of a git command line passes here first.
"""

import re

from agent_swarm.domain.errors import InvalidInput
from agent_swarm.domain.ids import normalize_id

UPSTREAM_HEADS = "refs/upstream/heads"
UPSTREAM_TAGS = "refs/upstream/tags"
RESCUED = "refs/swarm/rescue"
LIVE = "refs/swarm/live"
REPLACED = "refs/swarm/replaced"  # what branches of the project were before they were rewritten

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# git-check-ref-format(1), rules 1 to 10.
_NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)")


def branch_name(task_id: str, attempt: int) -> str:
    """The branch an attempt works on, here and in the project's repository."""
    return f"swarm/{task_id}/{attempt}"


def result_ref(task_id: str, attempt: int) -> str:
    """Where an attempt's result is, in the mirror and in the project's repository."""
    return f"refs/heads/{branch_name(task_id, attempt)}"


def rescue_ref(task_id: str, attempt: int) -> str:
    """Where work of an attempt that did not finish is; outside `refs/heads`, so that nobody takes it for a result."""
    return f"{RESCUED}/{task_id}/{attempt}"


def live_ref(task_id: str, attempt: int) -> str:
    """Where the live snapshot of a running attempt is; removed when the attempt has ended."""
    return f"{LIVE}/{task_id}/{attempt}"


def pushed_ref(ref: str) -> str:
    """Where the mirror notes what of `ref` the project's repository has been given."""
    return f"refs/pushed/{ref.removeprefix('refs/')}"


def valid_id(kind: str, text: str) -> str:
    """`text` as a lower-case UUID; raises InvalidInput."""
    found = normalize_id(text)
    if found is None:
        raise InvalidInput(
            f"{kind} id {text!r} is not a UUID", hint="ids are UUIDs such as 0190a5c2-7b1e-7c3a-9f00-3d2b1c0a9e8f"
        )
    return found


def valid_attempt(number: int) -> int:
    """An attempt's number, counted from 1; raises InvalidInput."""
    if number < 1:
        raise InvalidInput(f"attempt number is {number}, expected 1 or more")
    return number


def valid_commit(text: str) -> str:
    """A full commit id; raises InvalidInput."""
    if not _COMMIT.fullmatch(text):
        raise InvalidInput(
            f"commit {text!r} is not a full commit id", hint="give all 40 hexadecimal digits, in lower case"
        )
    return text


def is_commit(text: str) -> bool:
    """Whether `text` is a full commit id rather than a name."""
    return _COMMIT.fullmatch(text) is not None


def valid_branch(text: str) -> str:
    """A branch or tag name without `refs/heads/`; raises InvalidInput."""
    bad_ends = text.startswith(("-", "/", ".", "refs/")) or text.endswith(("/", "."))
    if not text or text in ("@", "HEAD") or bad_ends or _NOT_IN_A_REF.search(text):
        raise InvalidInput(
            f"{text!r} is not a branch name", hint="see git help check-ref-format; leave out refs/heads/"
        )
    return text


def one_line(text: str, *, limit: int = 200) -> str:
    """`text` fit for the subject of a commit message."""
    return " ".join(text.replace("\0", " ").split())[:limit]
