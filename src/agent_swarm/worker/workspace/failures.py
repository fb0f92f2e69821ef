"""Why a git command failed, told from its exit code and what it wrote to stderr (locale C)."""

import re

from agent_swarm.worker.workspace.errors import (
    AuthenticationFailed,
    DiskFull,
    GitFailed,
    PushRefused,
    RepositoryNotFound,
    RepositoryUnreachable,
)

# The first that matches wins: servers wrap a precise reason into general ones ("Could not read from remote
# repository").
_REASONS: tuple[tuple[type[GitFailed], tuple[str, ...]], ...] = (
    (DiskFull, (r"No space left on device", r"Disk quota exceeded")),
    (
        AuthenticationFailed,
        (
            r"Authentication failed",
            r"could not read (Username|Password)",
            r"terminal prompts disabled",
            r"Permission denied \(",
            r"Host key verification failed",
            r"returned error: 40[13]\b",
            r"Access denied",
            r"Invalid username or",
        ),
    ),
    (
        RepositoryNotFound,
        (
            r"does not appear to be a git repository",
            r"repository '.*' (not found|does not exist)",
            r"Repository not found",
            r"returned error: 404\b",
            r"repository .* not exported",
        ),
    ),
    (
        RepositoryUnreachable,
        (
            r"Could not resolve host",
            r"name resolution",
            r"unable to look up",
            r"Failed to connect",
            r"Couldn't connect",
            r"unable to connect",
            r"Connection (refused|reset|timed out|closed)",
            r"Operation timed out",
            r"Network is unreachable",
            r"No route to host",
            r"returned error: (408|429|5\d\d)\b",
            r"unable to access",
            r"hung up unexpectedly",
            r"early EOF",
            r"unexpected disconnect",
            r"Could not read from remote repository",
        ),
    ),
    (PushRefused, (r"^!", r"^ ! \[", r"failed to push some refs", r"hook declined")),
)
_NOISE = re.compile(r"^(hint|warning|Cloning into|Please make sure|and the repository exists)", re.IGNORECASE)


def classify(stderr: str, stdout: str = "") -> type[GitFailed]:
    """The class of a failed command; `stdout` counts because `push --porcelain` reports refusals there."""
    said = f"{stderr}\n{stdout}"
    for kind, patterns in _REASONS:
        if any(re.search(pattern, said, re.MULTILINE) for pattern in patterns):
            return kind
    return GitFailed


def gist(stderr: str, stdout: str = "") -> str:
    """The one line that tells most: what was refused, else the first fatal or error line, else the last one."""
    refused = [line for line in stdout.splitlines() if line.startswith("!")]
    if refused:
        return " ".join(refused[0].split()[1:])
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    for line in lines:
        if line.startswith(("fatal:", "error:", "ERROR:")):
            return line
    return lines[-1] if lines else "it gave no reason"
