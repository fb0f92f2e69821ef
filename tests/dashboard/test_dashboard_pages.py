"""The dashboard in a real browser, over a real swarm."""

import re
from typing import TYPE_CHECKING

import pytest
from tests.dashboard.conftest import Scene, serious_findings
from tests.dashboard.scene import HOSTILE, script

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

PAGES = (
    "/",
    "/board",
    "/timeline",
    "/agents",
    "/chat",
    "/approvals",
    "/repositories",
    "/schedules",
    "/costs",
    "/audit",
    "/settings",
)


def open_task(page: "Page", scene: Scene, ref: str) -> str:
    """Go to a task of the scene; answers its id."""
    task_id = scene.tasks[ref]
    page.goto(f"{scene.swarm.url}/tasks/{task_id}")
    return task_id


def pages_of(scene: Scene) -> list[str]:
    """The address of every page, also of those of one thing."""
    schedule = scene.swarm.call("GET", "/api/schedules/nightly")["id"]
    one_thing = [f"/tasks/{scene.tasks[ref]}" for ref in ("parse", "needs", "broken")]
    return [*PAGES, *one_thing, f"{one_thing[0]}/graph", f"/agents/{scene.worker}", f"/schedules/{schedule}"]


def visit(page: "Page", scene: Scene, path: str) -> None:
    """Go there, and wait until what it shows was read."""
    page.goto(scene.swarm.url + path)
    page.get_by_role("heading", level=1).wait_for()
    page.get_by_text("Reading …").first.wait_for(state="detached")


def lines_of(page: "Page") -> list[str]:
    """The texts of the transcript that begin with `line`, as they stand there."""
    return [text for text in page.locator("[data-line]").all_inner_texts() if text.startswith("line ")]


def test_given_a_deep_link_when_a_viewer_logs_in_then_it_opens_and_offers_nothing_that_is_refused(
    browser: "Browser", scene: Scene
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{scene.swarm.url}/tasks/{scene.tasks['needs']}")
        page.get_by_label("Name").fill("eve")
        page.get_by_label("Password").fill("wrong horse battery")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Log in").click()

        page.get_by_role("heading", name="Train the ranking model").wait_for()
        assert page.get_by_role("button", name="Cancel").count() == 0
        assert page.get_by_role("button", name="Stop everything").count() == 0

        page.reload()  # the session goes on by its cookie, which no script can read
        page.get_by_role("heading", name="Train the ranking model").wait_for()
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("button", name="Log in").wait_for()
        page.reload()
        page.get_by_role("button", name="Log in").wait_for()


def test_given_a_swarm_at_work_when_the_overview_is_opened_then_it_says_what_runs_waits_costs_and_needs_one(
    page: "Page", scene: Scene
) -> None:
    page.goto(scene.swarm.url)

    page.get_by_role("link", name="Build the release").first.wait_for()
    page.get_by_role("link", name="asks Deploy version 1.2?").wait_for()
    page.get_by_text("$0.530").wait_for()
    page.get_by_text("of $20.00 a day").wait_for()
    page.get_by_text(re.compile("no agent has everything it requires")).wait_for()
    page.get_by_text("Live").wait_for()


def test_given_a_task_that_is_filed_when_it_runs_then_it_is_followed_live_and_can_be_steered(
    page: "Page", scene: Scene
) -> None:
    page.goto(scene.swarm.url)
    page.get_by_role("button", name="New task").click()
    page.get_by_label("What is to be done").fill("say Waiting for a word\nwait-message 60\nresult heard")
    page.get_by_label("Harness").fill("script")
    page.get_by_role("button", name="File it").click()

    page.get_by_text("Waiting for a word", exact=True).first.wait_for()
    page.get_by_role("textbox", name="Steer").fill("use the other branch")
    page.get_by_role("button", name="Steer").click()
    page.locator("[data-line]").filter(has_text="use the other branch").first.wait_for()
    page.get_by_role("region", name="Result").get_by_text("heard").wait_for()
    page.get_by_text("The attempt has ended.").wait_for()


def test_given_an_attempt_when_its_transcript_is_read_then_calls_fold_and_diffs_are_coloured(
    page: "Page", scene: Scene
) -> None:
    open_task(page, scene, "parse")

    page.get_by_text("18.4k tokens in, 2,150 out, $0.410").wait_for()
    added = page.get_by_text("+def parse(text):")
    assert not added.is_visible()
    page.locator("summary").filter(has_text="git diff").click()
    added.wait_for()
    same = page.evaluate("() => getComputedStyle(document.body).color")
    assert added.evaluate("element => getComputedStyle(element).color") != same


def test_given_a_task_that_waits_when_it_is_opened_then_the_page_says_why_and_what_helps(
    page: "Page", scene: Scene
) -> None:
    open_task(page, scene, "needs")

    why = page.get_by_role("region", name="Why")
    why.get_by_text("lacks tag 'gpu'").wait_for()
    why.get_by_text("What helps").wait_for()


def test_given_a_board_when_a_card_is_moved_then_only_where_that_is_legal(page: "Page", scene: Scene) -> None:
    page.goto(f"{scene.swarm.url}/board")
    column = {name: page.get_by_role("region", name=name, exact=True).first for name in ("Backlog", "Queue", "Paused")}
    title = "Tidy the backlog of warnings"
    card = page.get_by_role("article").filter(has_text=title)
    card.wait_for()
    scene.swarm.call("POST", "/api/kill-switch", {"scope": "agent", "id": scene.worker, "reason": "hold"})
    page.get_by_text("An agent is stopped").wait_for()

    card.drag_to(column["Paused"])
    assert column["Backlog"].get_by_text(title).is_visible()
    card.drag_to(column["Queue"])
    column["Queue"].get_by_text(title).wait_for()
    assert scene.swarm.task(scene.tasks["later"])["status"] == "pending"
    page.get_by_label(f"Move {title}").select_option("backlog")
    column["Backlog"].get_by_text(title).wait_for()

    page.get_by_label("Tag").fill("release")
    page.get_by_label("Tag").press("Enter")
    page.get_by_role("article").filter(has_text=title).wait_for(state="detached")
    assert page.url.endswith("?tag=release")
    page.reload()
    page.get_by_role("article").filter(has_text="Publish the release").wait_for()
    assert page.get_by_role("article").filter(has_text=title).count() == 0
    scene.swarm.call(
        "POST", "/api/kill-switch", {"action": "lift", "scope": "agent", "id": scene.worker, "resume": True}
    )


def test_given_many_tasks_when_the_board_shows_them_then_few_are_drawn_and_all_can_be_reached(
    page: "Page", scene: Scene
) -> None:
    for _ in range(3):
        many = [script(f"m{n}", f"Many {n}", "result x", backlog=True, tags=["many"]) for n in range(90)]
        scene.swarm.file(*many)
    page.goto(f"{scene.swarm.url}/board?tag=many")
    box = page.get_by_role("region", name="Backlog", exact=True).last
    box.get_by_role("article").first.wait_for()
    page.wait_for_function(
        """element => {
            element.scrollTo(0, element.scrollHeight)
            return element.querySelector("ul").offsetHeight === 270 * 88
        }""",
        arg=box.element_handle(),
    )
    assert page.get_by_role("article").count() < 60


def test_given_a_question_of_an_agent_when_it_is_answered_here_then_its_task_goes_on(
    page: "Page", scene: Scene
) -> None:
    page.goto(f"{scene.swarm.url}/approvals")
    page.get_by_role("heading", name="Deploy version 1.2?").wait_for()
    page.get_by_role("radio", name="eu").check()
    page.get_by_role("radio", name="Yes").check()
    page.get_by_role("button", name="Answer").click()

    page.get_by_text("Nobody asks anything").wait_for()
    open_task(page, scene, "asks")
    page.get_by_role("region", name="Result").get_by_text("deployed").wait_for()


def test_given_a_page_that_follows_a_run_when_the_server_is_killed_and_comes_back_then_no_line_is_lost_or_doubled(
    page: "Page", scene: Scene
) -> None:
    marks = scene.swarm.marks
    steps = "\n".join(f"say line {n}\nwait-for {marks}/said-{n}" for n in range(1, 7))
    scene.tasks |= scene.swarm.file(script("lines", "Say six lines", f"{steps}\nresult said"))
    open_task(page, scene, "lines")
    page.evaluate("() => { window.same = true }")
    for n in (1, 2):
        page.locator("[data-line]").get_by_text(f"line {n}", exact=True).wait_for()
        scene.let(f"said-{n}")
    page.locator("[data-line]").get_by_text("line 3", exact=True).wait_for()

    scene.swarm.kill_server()
    page.get_by_text("Not connected").wait_for()
    scene.let("said-3")
    scene.let("said-4")
    scene.swarm.start_server()
    page.locator("[data-line]").get_by_text("line 5", exact=True).wait_for()
    page.get_by_text("Live").wait_for()
    scene.let("said-5")
    scene.let("said-6")

    page.get_by_role("region", name="Result").get_by_text("said").wait_for()
    assert lines_of(page) == [f"line {n}" for n in range(1, 7)]
    assert page.evaluate("() => window.same") is True


def test_given_texts_that_are_markup_when_they_are_shown_then_as_text_and_nothing_of_them_runs(
    page: "Page", scene: Scene
) -> None:
    open_task(page, scene, "hostile")
    page.get_by_role("heading", name=HOSTILE).wait_for()
    page.locator("[data-line]").get_by_text(HOSTILE).first.wait_for()
    for path in ("/board", "/audit?types=task.progressed"):
        page.goto(scene.swarm.url + path)
        page.get_by_text(re.compile("onerror=")).first.wait_for()
        assert page.locator("main img, main script").count() == 0
    assert page.title() == "Agent Swarm"


def test_given_each_page_when_it_is_looked_at_then_axe_finds_nothing_serious_in_either_theme_and_it_fits_a_phone(
    page: "Page", scene: Scene
) -> None:
    found: dict[str, list[str]] = {}
    for path in pages_of(scene):
        page.set_viewport_size({"width": 1440, "height": 900})
        visit(page, scene, path)
        found[path] = serious_findings(page)
        page.evaluate("() => { document.documentElement.dataset.theme = 'dark' }")
        found[f"{path} in the dark"] = serious_findings(page, rule="color-contrast")
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, path
    page.set_viewport_size({"width": 1440, "height": 900})
    assert {path: findings for path, findings in found.items() if findings} == {}


def test_given_pages_for_what_stands_around_tasks_when_something_is_written_there_then_it_counts(
    page: "Page", scene: Scene
) -> None:
    visit(page, scene, "/chat?channel=build")
    field = page.get_by_role("combobox", name="Write to #build …")
    field.press_sequentially("hello @a")
    page.get_by_role("option", name="@ada").click()
    field.press("Enter")
    page.get_by_role("log").get_by_text("hello @ada").wait_for()
    said = scene.swarm.call("GET", "/api/messages?channel=build")["messages"][0]
    assert (said["text"].strip(), said["mentions"]) == ("hello @ada", [scene.worker])

    visit(page, scene, "/settings")
    page.get_by_role("button", name="Store a value").click()
    page.get_by_label("Key").fill("DEPLOY_NOTE")
    page.get_by_role("textbox", name="Value").fill("quietly")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("row").filter(has_text="DEPLOY_NOTE").get_by_text("quietly").wait_for()

    visit(page, scene, "/costs")
    page.get_by_role("button", name="Change the cap").click()
    page.get_by_label("Cap in US dollars").fill("35")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("$35.00 a day").wait_for()

    visit(page, scene, "/schedules")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="nightly").click()
    page.get_by_role("link", name="Update the dependencies").wait_for()

    visit(page, scene, "/audit")
    page.get_by_role("button", name="Check the chain").click()
    page.get_by_text("The history is whole").wait_for()


def test_given_tasks_that_wait_for_each_other_when_their_graph_is_open_then_it_changes_as_they_do(
    page: "Page", scene: Scene
) -> None:
    visit(page, scene, f"/tasks/{scene.tasks['publish']}/graph")
    for title in ("Let the parser take empty input", "Build the release", "Write the release notes"):
        page.get_by_role("link", name=title).wait_for()
    publish = page.get_by_role("link", name="Publish the release")
    publish.get_by_text("blocked").wait_for()
    scene.let("go")
    publish.get_by_text("completed").wait_for()

    visit(page, scene, "/timeline?span=900")
    page.get_by_role("link", name="Publish the release, attempt 1: completed").wait_for()
    page.get_by_role("link", name="Port the importer, attempt 1: failed").wait_for()


def test_given_a_swarm_at_work_when_it_is_stopped_here_then_every_page_says_so_until_it_is_lifted(
    page: "Page", scene: Scene
) -> None:
    held = scene.swarm.file(script("held", "Hold still", f"wait-for {scene.swarm.marks}/held\nresult held"))["held"]
    scene.swarm.wait_until(lambda: scene.swarm.task(held)["status"] == "running", "it runs")
    visit(page, scene, "/board")
    page.get_by_role("button", name="Stop everything").click()
    page.get_by_label("Reason").fill("they deploy on their own")
    page.get_by_role("button", name="Stop now").click()

    banner = page.get_by_role("alert").filter(has_text="Everything is stopped: they deploy on their own")
    banner.wait_for()
    banner.get_by_text("Every worker has confirmed").wait_for()
    assert scene.swarm.task(held)["status"] == "paused"
    page.get_by_role("link", name="Approvals").click()
    banner.wait_for()
    banner.get_by_role("button", name="Let it go on").click()
    page.get_by_role("dialog").get_by_role("button", name="Let it go on").click()
    banner.wait_for(state="detached")
    scene.let("held")
    scene.swarm.wait_until(lambda: scene.swarm.task(held)["status"] == "completed", "work goes on")
