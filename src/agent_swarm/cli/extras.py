"""Parts of the program that a lean installation leaves out."""

from importlib.util import find_spec

from agent_swarm.cli.failures import CommandFailed

# What pyproject.toml lists under each extra, as far as nothing works without it.
MODULES = {
    "server": ("fastapi", "uvicorn", "sqlalchemy", "alembic", "orjson", "prometheus_client", "cryptography"),
    "postgres": ("psycopg",),
    "nats": ("nats", "nkeys"),
    "keyring": ("keyring",),
    "cloud": ("boto3", "google.auth"),
}


def missing_modules(extra: str) -> list[str]:
    """What of an extra is not installed here."""
    return [name for name in MODULES[extra] if not _is_installed(name)]


def how_to_install(extra: str) -> str:
    """The command that brings it."""
    return f'pip install "agent-swarm[{extra}]"'


def require(extra: str) -> None:
    """Raise CommandFailed, saying what to install, unless the extra is here."""
    if missing := missing_modules(extra):
        raise CommandFailed(
            f"this installation has no {', '.join(missing)}, which this command needs",
            hint=f"install the extra: {how_to_install(extra)}",
        )


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it would be in
        return False
