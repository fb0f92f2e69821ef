"""The dashboard's page and files: served under the names of the build and no other, and unable to run anything else."""

import gzip
import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.server.world import World

from agent_swarm.domain.errors import NotFound
from agent_swarm.server import dashboard
from agent_swarm.server.access import DASHBOARD_PATHS
from agent_swarm.server.dashboard import Dashboard

pytestmark = pytest.mark.anyio

SCRIPT = b"console.log('a script that is long enough to be worth compressing')\n" * 20


def build(folder: Path, page: bytes = b"<!doctype html><title>one</title>") -> Path:
    """A build with one script; what lies beside it is not meant to be served."""
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    (assets / "index-1a2b.js").write_bytes(SCRIPT)
    (assets / "notes.txt").write_bytes(b"not to be served")
    (folder / "index.html").write_bytes(page)
    return folder


def client(folder: Path) -> TestClient:
    """Whoever asks a server with this build."""
    return TestClient(Starlette(routes=dashboard.routes(folder)))


def test_given_a_build_when_any_address_of_it_is_asked_for_then_the_page_comes_and_runs_nothing_of_others(
    tmp_path: Path,
) -> None:
    asking = client(build(tmp_path))

    for path in DASHBOARD_PATHS:
        answer = asking.get(path.replace("{id}", "x"))
        assert (answer.status_code, answer.text) == (200, "<!doctype html><title>one</title>"), path
        assert answer.headers["cache-control"] == "no-cache"
        policy = set(answer.headers["content-security-policy"].split("; "))
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'"} <= policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_given_a_file_of_the_build_when_it_is_asked_for_then_it_comes_compressed_or_not_and_is_kept(
    tmp_path: Path,
) -> None:
    asking = client(build(tmp_path))

    plain = asking.get("/assets/index-1a2b.js", headers={"accept-encoding": "identity"})
    packed = asking.get("/assets/index-1a2b.js", headers={"accept-encoding": "gzip"})

    assert plain.content == packed.content == SCRIPT
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT)
    for answer in (plain, packed):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "notes.txt", "../index.html", "/etc/passwd", "index-1a2b.js/", "INDEX-1A2B.JS", "\x00"]
)
def test_given_any_other_name_when_a_file_is_asked_for_then_there_is_none(tmp_path: Path, name: str) -> None:
    served = Dashboard(build(tmp_path))
    served.page()

    with pytest.raises(NotFound):
        served.asset(name, takes_gzip=False)


def test_given_another_build_when_the_page_is_asked_for_then_it_comes_without_a_restart(tmp_path: Path) -> None:
    asking = client(build(tmp_path))
    assert "one" in asking.get("/").text

    build(tmp_path, b"<!doctype html><title>two</title>")
    (tmp_path / "assets" / "index-3c4d.js").write_bytes(gzip.compress(b"other"))
    os.utime(tmp_path / "index.html", ns=(1, 1))

    assert "two" in asking.get("/").text
    assert asking.get("/assets/index-3c4d.js").status_code == 200


def test_given_no_build_when_the_page_is_asked_for_then_it_says_how_to_make_one(tmp_path: Path) -> None:
    answer = client(tmp_path / "nothing").get("/board")

    assert answer.status_code == 503
    assert "make web" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/tasks", "/board/x", "/assets/../settings.py", "/api/nowhere", "/v1/x"])
async def test_given_a_path_that_nobody_has_when_it_is_asked_for_then_the_dashboard_does_not_answer(
    world: World, path: str
) -> None:
    answer = await world.call("GET", path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "notFound"


async def test_given_the_dashboard_when_paths_of_the_api_are_asked_for_then_they_answer_as_ever(world: World) -> None:
    for path, kind in (("/docs", "text/html"), ("/openapi.json", "application/json"), ("/health", "application/json")):
        answer = await world.call("GET", path)
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        assert "The dashboard" not in answer.text
    assert (await world.call("POST", "/")).status_code == 405
