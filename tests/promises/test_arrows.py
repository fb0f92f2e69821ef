"""Imports run the way the architecture says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.promises.project import ROOT, SOURCE, page, sources

LINTER = Path(sys.executable).with_name("lint-imports")


def test_given_the_contracts_then_every_import_keeps_them() -> None:
    if not LINTER.exists():
        pytest.skip("import-linter is not installed: make dev")
    done = subprocess.run(
        [LINTER, "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_given_every_package_then_the_architecture_says_what_is_in_it() -> None:
    packages = {f"{path.relative_to(SOURCE).parts[0]}" for path in sources() if path.parent != SOURCE}
    house = page("docs/architecture.md").split("\n## The house\n")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| `(\w+)/` \|", house, re.MULTILINE))
    assert packages == told
