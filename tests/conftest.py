"""Shared by all tests: async tests run on plain asyncio, as the program does."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

from agent_swarm.testing import agent_cli
from agent_swarm.testing import claude_cli as claude

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Let signals end what tests start, and made-up cases take their time: a busy machine makes any of them slow."""
    if settings.get_current_profile_name() == "default":
        settings.register_profile("unhurried", deadline=None)
        settings.load_profile("unhurried")
    _keep_what_is_compiled()
    _keep_what_is_unpacked()
    _hear_signals()


def _keep_what_is_compiled() -> None:
    """Tests start hundreds of processes, each of which would compile what it imports: half of its processor time."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _keep_what_is_unpacked() -> None:
    """Copilot CLI would unpack 235 MB into each new home."""
    os.environ.setdefault("COPILOT_CACHE_HOME", str(ROOT / "build" / "clis" / "cache"))


def _hear_signals() -> None:
    """Tests in the background have signals ignored, and so would their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup, which is to hold for the tests themselves
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class ClaudeEnvironment(Protocol):
    """`claude_environment(model.url, CLAUDE_CODE_MAX_RETRIES="1")`: what `claude_cli.environment` makes of it."""

    def __call__(self, model_url: str, **more: str) -> dict[str, str]: ...


@pytest.fixture(scope="session")
def claude_cli() -> Path:
    """The real Claude Code. Where it is missing the test is skipped, or fails where nothing may be skipped."""
    return _installed("claude")


@pytest.fixture(scope="session")
def codex_cli() -> Path:
    """The real Codex, likewise."""
    return _installed("codex")


@pytest.fixture(scope="session")
def pi_cli() -> Path:
    """The real pi, likewise."""
    return _installed("pi")


@pytest.fixture(scope="session")
def opencode_cli() -> Path:
    """The real opencode, likewise."""
    return _installed("opencode")


@pytest.fixture(scope="session")
def gemini_cli() -> Path:
    """The real Gemini CLI, likewise."""
    return _installed("gemini")


@pytest.fixture(scope="session")
def copilot_cli() -> Path:
    """The real Copilot CLI, likewise."""
    return _installed("copilot")


def _installed(name: str) -> Path:
    program = agent_cli.installed(ROOT, name)
    if program is None:
        (pytest.fail if os.environ.get("SKIP_NOTHING") else pytest.skip)(f"{name} is not installed: make clis")
    return program


@pytest.fixture
def claude_environment(tmp_path: Path) -> ClaudeEnvironment:
    """Makes an environment for it, with a home of this test."""
    return partial(claude.environment, tmp_path / "claude")
