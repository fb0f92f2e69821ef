"""The agent CLIs a task may name. The server only knows their names: it never runs one."""

from agent_swarm.domain.errors import UnknownReference

# Those of `harness.registry`, which a test compares.
HARNESSES = ("claude", "codex", "copilot", "gemini", "noop", "opencode", "pi", "script", "shell")


COMMANDED = frozenset({"noop", "shell"})  # their prompt is a command: nobody can talk to them


def capability_of(harness: str, *, field: str) -> str:
    """What an agent must offer to run this harness; raises UnknownReference naming `field` and the known ones."""
    if harness not in HARNESSES:
        known = ", ".join(HARNESSES)
        raise UnknownReference(
            f"{field} names harness {harness!r}, expected one of: {known}",
            hint=f"choose one of: {known}",
            details={"field": field, "value": harness, "known": list(HARNESSES)},
        )
    return f"harness.{harness}"
