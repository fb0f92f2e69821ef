"""The demo's git repository: a tiny Python package whose two functions are missing, and the tests that ask for them."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent_swarm.cli.failures import CommandFailed

BRANCH = "main"
FILES = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# textkit\n\nSmall functions for text. To come: `slugify` and `count_words`.\n",
    "textkit/__init__.py": '"""Small functions for text."""\n',
    "textkit/slugs.py": '''"""Text as part of a URL."""


def slugify(text: str) -> str:
    raise NotImplementedError
''',
    "textkit/words.py": '''"""Words of a text."""


def count_words(text: str) -> dict[str, int]:
    raise NotImplementedError
''',
    "tests/__init__.py": "",
    "tests/test_slugs.py": """import unittest

from textkit.slugs import slugify


class SlugTest(unittest.TestCase):
    def test_words_are_joined_by_hyphens(self):
        self.assertEqual(slugify("Hello, World!"), "hello-world")

    def test_accents_are_dropped(self):
        self.assertEqual(slugify("Crème Brûlée"), "creme-brulee")

    def test_nothing_gives_nothing(self):
        self.assertEqual(slugify(" -- "), "")
""",
    "tests/test_words.py": """import unittest

from textkit.words import count_words


class WordTest(unittest.TestCase):
    def test_words_are_counted_whatever_their_case(self):
        self.assertEqual(count_words("one fish, two Fish"), {"one": 1, "fish": 2, "two": 1})

    def test_nothing_has_no_words(self):
        self.assertEqual(count_words(""), {})
""",
}
TEST_COMMAND = (sys.executable, "-B", "-m", "unittest", "discover")
# Nobody's settings, hooks or signatures: the demo looks the same everywhere.
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": "demo@agent-swarm.invalid",
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": "demo@agent-swarm.invalid",
}


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """How the unit tests of one commit ended."""

    passed: bool
    output: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare-minimum view of a git repository on this disk."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> "Repository":
        """A new repository at `path` with one commit on `main`: the tests are there, the functions are not."""
        repository = cls(path)
        for name, content in FILES.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(content, encoding="utf-8")
        repository.git("init", "--quiet", f"--initial-branch={BRANCH}")
        repository.git("add", "--all")
        repository.git("commit", "--quiet", "--message", "Ask for slugify and count_words")
        return repository

    def git(self, *arguments: str) -> str:
        """What a git command prints; raises CommandFailed with its words where it fails."""
        try:
            done = subprocess.run(
                ["git", "-C", self.path, *arguments],
                env={**os.environ, **ENVIRONMENT},
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as exc:
            raise CommandFailed(
                "git is not installed", hint="install git; the demo works on a real repository"
            ) from exc
        if done.returncode != 0:
            raise CommandFailed(f"git {arguments[0]} failed: {done.stderr.strip()}", hint="see agent-swarm doctor")
        return done.stdout.strip()

    def head(self, revision: str) -> str:
        """The commit that a branch or other revision names."""
        return self.git("rev-parse", "--verify", f"{revision}^{{commit}}")

    def contains(self, commit: str, ancestor: str) -> bool:
        """`ancestor` is part of the history of `commit`."""
        return self.git("merge-base", commit, ancestor) == ancestor

    def graph(self, revision: str) -> str:
        """Its history as a drawing."""
        return self.git("log", "--oneline", "--graph", "--decorate-refs-exclude=refs/heads/swarm/*", revision, "--")

    def tests_at(self, revision: str) -> SuiteRun:
        """Run the unit tests on a fresh copy of a commit's files."""
        with tempfile.TemporaryDirectory(prefix="agent-swarm-demo-tests-") as folder:
            self.git("worktree", "add", "--quiet", "--detach", f"{folder}/tree", revision)
            try:
                done = subprocess.run(
                    TEST_COMMAND, cwd=f"{folder}/tree", capture_output=True, text=True, timeout=60, check=False
                )
            finally:
                self.git("worktree", "remove", "--force", f"{folder}/tree")
        return SuiteRun(passed=done.returncode == 0, output=done.stderr.strip())
