"""Images by HTTP, from a server on loopback that does what servers do: ranges, drops, error pages, other content."""

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent_swarm.vm.building.download import fetch, published_sha256
from agent_swarm.vm.errors import DownloadFailed, InvalidImage, NoRoom

CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """`drops`: so many answers end in the middle. `ranges`: whether it understands them."""

    drops = 0
    ranges = True
    status = 200
    kind = "application/octet-stream"
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/disk.img"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range", "")
        server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        content = server.content[start:]
        if start >= len(server.content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else server.status)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(content)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        if server.drops > 0:
            server.drops -= 1
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def fetched(server: Server, part: Path, sha256: str = DIGEST) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    fetch(server.url, part, sha256=sha256, progress=lambda here, of: told.append((here, of)), pause=lambda _: None)
    return told


def test_given_a_server_when_an_image_is_fetched_then_it_is_whole_and_progress_is_told(
    server: Server, tmp_path: Path
) -> None:
    told = fetched(server, tmp_path / "part", DIGEST.upper())
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert told[-1] == (300_000, 300_000)


def test_given_drops_in_the_middle_when_an_image_is_fetched_then_each_try_goes_on_where_the_last_one_stopped(
    server: Server, tmp_path: Path
) -> None:
    server.drops = 3
    told = fetched(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=150000-", "bytes=225000-", "bytes=262500-"]
    assert told[-1] == (300_000, 300_000)


def test_given_a_part_of_an_earlier_command_when_it_is_fetched_then_only_the_rest_comes(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "part").write_bytes(CONTENT[:100])
    fetched(server, tmp_path / "part")
    assert server.asked == ["bytes=100-"]
    fetched(server, tmp_path / "part")  # all of it is there
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 100, b"x" * 400_000, b"x" * 300_000])
def test_given_a_part_of_something_else_when_it_is_fetched_then_it_begins_anew(
    server: Server, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "part").write_bytes(left)
    fetched(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_given_a_server_without_ranges_when_it_drops_then_it_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges, server.drops = False, 1
    fetched(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_given_another_content_when_it_is_fetched_then_it_is_refused_and_nothing_is_left(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(InvalidImage, match=f"is {DIGEST}, expected {'0' * 64}"):
        fetched(server, tmp_path / "part", "0" * 64)
    assert not (tmp_path / "part").exists()


def test_given_an_error_page_with_a_good_status_then_it_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    server.kind, server.content = "text/html; charset=utf-8", b"<html>please log in</html>"
    with pytest.raises(InvalidImage, match="the server sends text/html"):
        fetched(server, tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 5)])
def test_given_an_error_then_what_others_may_mend_is_tried_again_and_no_more(
    server: Server, tmp_path: Path, status: int, tries: int
) -> None:
    server.status = status
    with pytest.raises(DownloadFailed, match=str(status)) as refused:
        fetched(server, tmp_path / "part")
    assert len(server.asked) == tries
    assert "again" in refused.value.hint


def test_given_nobody_listens_then_it_is_said_and_a_part_stays(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    (tmp_path / "part").write_bytes(CONTENT[:100])
    with pytest.raises(DownloadFailed, match="Connection refused"):
        fetch(url, tmp_path / "part", sha256=DIGEST, progress=lambda *_: None, pause=lambda _: None)
    assert (tmp_path / "part").read_bytes() == CONTENT[:100]


def test_given_no_room_then_it_is_said_before_anything_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_swarm.vm.room.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(NoRoom):
        fetched(server, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_given_a_list_of_checksums_then_the_files_own_is_taken(server: Server) -> None:
    other = f"{'a' * 64} *other.img\n"
    server.content = (other + f"{DIGEST} *disk.img\n").encode()
    assert published_sha256(server.url, server.url) == DIGEST
    server.content = other.encode()
    with pytest.raises(InvalidImage, match=r"no checksum of disk\.img"):
        published_sha256(server.url, server.url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/disk.img", "disk.img"])
def test_given_an_address_of_another_kind_then_it_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidImage, match="no http"):
        fetch(url, tmp_path / "part", sha256=DIGEST, progress=lambda *_: None)
