"""What was built: how much a browser has to load, and that the rules of its state hold."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

from tests.dashboard.conftest import ROOT, missing

FIRST_LOAD_BYTES = 250_000  # compressed: three seconds of a slow phone


def test_given_the_build_when_it_is_loaded_first_then_it_is_small_and_comes_from_this_server_alone(built: Path) -> None:
    page = (built / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert any(name.endswith(".js") for name in named)
    assert all(name.startswith("/assets/") for name in named)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)

    loaded = [built / "assets" / name.removeprefix("/assets/") for name in named]
    size = sum(len(gzip.compress(path.read_bytes())) for path in loaded) + len(gzip.compress(page.encode()))
    assert size <= FIRST_LOAD_BYTES


def test_given_the_rules_of_the_pages_state_when_they_are_tried_then_they_hold(built: Path) -> None:
    npx = shutil.which("npx")
    if npx is None or not (ROOT / "web" / "node_modules" / ".bin" / "vitest").exists():
        missing("vitest", "run make web with Node.js 20 or newer")
    assert npx is not None
    ran = subprocess.run(
        [npx, "vitest", "run"], cwd=ROOT / "web", capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
