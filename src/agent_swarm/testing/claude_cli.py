"""The real Claude Code for tests: where `make clis` puts it, and an environment in which it talks to a stub only."""

import os
from collections.abc import Mapping
from pathlib import Path

KEY = "a-key-for-the-stub-model"

# No look for updates, no reports, nothing but the model's requests; and leave to work without asking even for root.
_QUIET: Mapping[str, str] = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "IS_SANDBOX": "1",
}


def environment(folder: Path, model_url: str, **more: str) -> dict[str, str]:
    """The whole environment of one client: a fresh home and a temp folder below `folder`, the stub as its only model.

    By default the client repeats a failed request 10 times with growing pauses, which takes minutes: say
    `CLAUDE_CODE_MAX_RETRIES="1"` where the failure is what a test is about.
    """
    home, temporary = folder / "home", folder / "tmp"
    for one in (home, temporary):
        one.mkdir(parents=True, exist_ok=True)
    given = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    address = {"ANTHROPIC_BASE_URL": model_url, "ANTHROPIC_API_KEY": KEY}
    return {**given, "HOME": str(home), "CLAUDE_CODE_TMPDIR": str(temporary), **_QUIET, **address, **more}
