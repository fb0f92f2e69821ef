"""The agent CLIs a task may name. The server only knows their names: it never runs one."""

from agent_swarm.domain.errors import UnknownReference

# Those of `harness.registry`, which a test compares.
HARNESSES = ("claude", "codex", "copilot", "gemini", "noop", "opencode", "pi", "script", "shell")


COMMANDED = frozenset({"noop", "shell"})  # their prompt is a command: nobody can talk to them


def named(text: str | None) -> tuple[str, ...]:
    """The harnesses in `claude,codex`: the one that a task is for, and those that go on where that one is refused."""
    return tuple(dict.fromkeys(part for one in (text or "").split(",") if (part := one.strip())))


def capability_of(harness: str, *, field: str) -> str:
    """What an agent must offer to run a task for these harnesses: the first. Raises UnknownReference, which names
    `field` and the known ones.
    """
    names = named(harness) or (harness,)
    for name in names:
        if name not in HARNESSES:
            known = ", ".join(HARNESSES)
            raise UnknownReference(
                f"{field} names harness {name!r}, expected one of: {known}",
                hint=f"choose one of: {known}; or several, separated by commas",
                details={"field": field, "value": name, "known": list(HARNESSES)},
            )
    return f"harness.{names[0]}"
