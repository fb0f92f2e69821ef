"""Real agent CLIs for tests: where `make clis` puts them, and an environment in which one talks to a stub only."""

import os
from pathlib import Path

KEY = "a-key-for-the-stub-model"
MODEL = "gpt-5.5"  # one that the CLIs know, and whose tools are called one by one
_PROGRAMS = Path("build", "clis", "node_modules", ".bin")


def installed(checkout: Path, name: str) -> Path | None:
    """The program in a checkout of this project; None where `make clis` has not installed it."""
    program = checkout / _PROGRAMS / name
    return program if program.exists() else None


def environment(folder: Path, model_url: str, **more: str) -> dict[str, str]:
    """The whole environment of one agent: a fresh home and a temp folder below `folder`, the stub as its only model.

    Codex's own sandbox does not work where its home lies below the temp folder, so that has to be another one.
    """
    home, temporary = folder / "home", folder / "tmp"
    for one in (home, temporary):
        one.mkdir(parents=True, exist_ok=True)
    given = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**given, "HOME": str(home), "TMPDIR": str(temporary), **model_at(model_url), **more}


def model_at(url: str) -> dict[str, str]:
    """The variables that say where the model is, and with which key."""
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY}


def copilot_at(url: str) -> dict[str, str]:
    """The same for Copilot CLI, whose model is GitHub's where nothing is said."""
    about = {"BASE_URL": f"{url}/v1", "WIRE_API": "responses", "API_KEY": KEY}
    return {f"COPILOT_PROVIDER_{name}": value for name, value in about.items()}
