"""What `doctor` and the demo say about Claude Code on this machine."""

import os

from agent_swarm.cli.checks import Check
from agent_swarm.harness.claude import host

CREDENTIALS = "claude setup-token gives a token for CLAUDE_CODE_OAUTH_TOKEN; or set ANTHROPIC_API_KEY"


def claude() -> list[Check]:
    """In which version, and whether with credentials that agents get; those are not shown.

    Nothing where it is not installed, which is said of every harness.
    """
    found = host.find(os.environ)
    if found is None:
        return []
    if not found.version:
        remedy = f"run {found.program} --version and see; {host.HOW_TO_INSTALL} installs it anew"
        return [Check("claude", "fail", f"{found.program} cannot be run", remedy)]
    if found.is_old:
        return [Check("claude", "warn", f"{found.version} is older than any that was tried", host.HOW_TO_INSTALL)]
    return [Check("claude", "ok", f"{found.version}, {found.program}"), _credentials(found)]


def in_a_sentence() -> str:
    """For people who watch the demo."""
    found = host.find(os.environ)
    if found is None:
        return f"Claude Code could write the two functions, but is not installed: {host.HOW_TO_INSTALL}"
    if not found.version:
        return f"Claude Code could write the two functions, but {found.program} cannot be run."
    if not found.credentials:
        return f"Claude Code {found.version} could write the two functions, but has no credentials: {CREDENTIALS}"
    return f"Claude Code {found.version} could write the two functions: make demo HARNESS=claude"


def _credentials(found: host.Found) -> Check:
    if found.credentials:
        return Check("claude key", "ok", f"{found.credentials} is set; whether it is accepted shows a first task")
    if found.has_own_login:
        return Check("claude key", "warn", "only your own login, which agents do not get", CREDENTIALS)
    return Check("claude key", "warn", "agents would have no credentials", CREDENTIALS)
