"""A browser, and a swarm with something on every page, once for all tests of a module."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.dashboard.scene import file_release, furnish

from agent_swarm.testing.real_swarm import RealSwarm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src" / "agent_swarm" / "server" / "web"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
SECONDS = 20.0  # for whatever the page waits for


def missing(what: str, remedy: str) -> None:
    """Skip by name, or fail where nothing may be skipped."""
    reason = f"{what} was not found; {remedy}"
    if os.environ.get("SKIP_NOTHING"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def built() -> Path:
    """Where the dashboard was built."""
    if not (BUILT / "index.html").is_file():
        missing("the built dashboard", "run make web")
    return BUILT


@pytest.fixture(scope="module")
def browser(built: Path) -> Iterator["Browser"]:
    """The system's Chromium, without a window."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium", "run make system-deps, or install Debian's chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


class Scene:
    """The swarm, and the tasks of it by name."""

    def __init__(self, swarm: RealSwarm, tasks: dict[str, str], worker: str) -> None:
        self.swarm = swarm
        self.tasks = tasks
        self.worker = worker

    def let(self, mark: str) -> None:
        """Have a script go on that waits for this mark."""
        (self.swarm.marks / mark).touch()


@pytest.fixture(scope="module")
def scene(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server and a worker, with tasks of every status."""
    swarm = RealSwarm(tmp_path_factory.mktemp("dashboard"))
    try:
        swarm.start_server()
        worker = swarm.start_worker(slots=4, variables={"AGENT_NAME": "ada"})
        furnish(swarm)
        tasks = file_release(swarm)
        swarm.call("POST", "/api/users", {"name": "eve", "role": "viewer", "password": "correct horse battery"})
        swarm.wait_until(lambda: swarm.statuses()["completed"] == 2, "the first tasks are done")
        swarm.wait_until(lambda: swarm.statuses()["paused"] == 1, "one asks")
        yield Scene(swarm, tasks, worker)
    finally:
        swarm.close()


@pytest.fixture(scope="module")
def shared_page(browser: "Browser", scene: Scene) -> Iterator["Page"]:
    """One page for the module: a session is opened once, by the API key."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US", color_scheme="light")
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    page.goto(scene.swarm.url)
    page.get_by_role("tab", name="API key").click()
    page.get_by_role("textbox", name="API key").fill(scene.swarm.key)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    yield page
    context.close()


@pytest.fixture
def page(shared_page: "Page") -> Iterator["Page"]:
    """Somebody who is logged in; what its scripts raised, or were refused by the policy, fails the test."""
    said: list[str] = []
    shared_page.on("pageerror", lambda error: said.append(str(error)))
    shared_page.on("console", lambda message: said.append(message.text) if "Policy" in message.text else None)
    yield shared_page
    assert said == []


def serious_findings(page: "Page", *, rule: str | None = None) -> list[str]:
    """What axe finds on the page as it is, of the two gravest kinds; by one rule, or by all."""
    if not AXE.is_file():
        missing("axe-core", "run make web")
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    only = {"runOnly": [rule]} if rule else {}
    told = page.evaluate("async only => JSON.stringify((await axe.run(document, only)).violations)", only)
    return [
        f"{found['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for found in json.loads(told)
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
