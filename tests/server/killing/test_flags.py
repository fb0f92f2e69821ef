"""Flags of the kill switch: a file, an object behind a URL, an object in a directory; and stores that misbehave."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.world import World, opened

from agent_swarm.server.killing.flags import FileFlag, Flag, Gone, Raised, Unknown, judge_object, parse_object_url
from agent_swarm.server.killing.objects import HttpObject, ObjectFlag, object_flag
from agent_swarm.server.killing.watch import FlagWatch
from agent_swarm.testing.object_server import ObjectServer, object_server

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Iterator[ObjectServer]:
    with object_server() as store:
        yield store


def watch(world: World, flag: Flag) -> FlagWatch:
    context = world.app.context
    return FlagWatch(flag, context.store, context.metrics, context.redactor, seconds=3600)


async def stands(world: World) -> tuple[str, str]:
    told = await world.get("/api/kill-switch")
    return told["status"], told["reason"]


def url_flag(store: ObjectServer, *, patience: float = 5.0) -> ObjectFlag:
    return ObjectFlag(HttpObject(store.url, "Bearer key"), "object:test", patience_seconds=patience)


# --- files ----------------------------------------------------------------------------------------------------------


async def test_given_a_file_when_it_appears_and_goes_then_the_switch_follows_with_its_content_as_reason(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "flag"
    watching = watch(world, FileFlag(path, "here"))
    await watching.run_once()
    assert await stands(world) == ("armed", "")

    path.write_text("they deploy\n on their own\n")
    await watching.run_once()
    assert await stands(world) == ("killed", "they deploy on their own")

    path.unlink()
    await watching.run_once()
    assert await stands(world) == ("armed", "")


async def test_given_a_request_and_a_file_when_the_file_goes_then_only_what_the_file_held_is_lifted(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "flag"
    watching = watch(world, FileFlag(path, "here"))
    await world.post("/api/kill-switch", {"reason": "a person"})
    path.touch()
    await watching.run_once()
    path.unlink()
    await watching.run_once()

    assert await stands(world) == ("killed", "a person")


async def test_given_a_file_that_a_person_overruled_when_a_new_server_sees_it_then_only_a_new_file_stops(
    tmp_path: Path,
) -> None:
    path, database = tmp_path / "flag", tmp_path / "swarm.sqlite"
    path.write_text("one")
    async with opened(tmp_path, address=database) as world:
        await watch(world, FileFlag(path, "here")).run_once()
        assert await stands(world) == ("killed", "one")
        await world.post("/api/kill-switch", {"action": "lift"})
    async with opened(tmp_path, address=database) as world:
        watching = watch(world, FileFlag(path, "here"))
        await watching.run_once()
        assert await stands(world) == ("armed", "")
        path.unlink()
        path.write_text("another")
        await watching.run_once()
        assert await stands(world) == ("killed", "another")


async def test_given_the_file_in_the_data_directory_when_a_server_starts_beside_it_then_it_serves_nobody_before(
    tmp_path: Path,
) -> None:
    (tmp_path / "KILL").write_text("from the start")
    async with opened(tmp_path) as world:
        assert await stands(world) == ("killed", "from the start")


async def test_given_files_that_are_no_texts_when_they_stand_there_then_they_stop_all_the_same(
    world: World, tmp_path: Path
) -> None:
    folder, dangling, binary = tmp_path / "folder", tmp_path / "dangling", tmp_path / "binary"
    folder.mkdir()
    dangling.symlink_to("nowhere")
    binary.write_bytes(b"\xff\x00" * 10_000)

    found = [await FileFlag(path, "here").look() for path in (folder, dangling, binary)]
    assert all(isinstance(one, Raised) for one in found)
    assert all("\x00" not in one.reason for one in found if isinstance(one, Raised))
    assert isinstance(await FileFlag(binary / "below", "here").look(), Gone)


# --- objects ----------------------------------------------------------------------------------------------------------


async def test_given_an_object_when_it_appears_changes_and_goes_then_the_switch_follows(
    world: World, store: ObjectServer
) -> None:
    watching = watch(world, url_flag(store))
    await watching.run_once()
    assert await stands(world) == ("armed", "")

    store.put(b"stop", '"a"')
    await watching.run_once()
    await watching.run_once()
    assert (await stands(world), store.not_modified) == (("killed", "stop"), 1)
    assert store.seen[-1]["authorization"] == "Bearer key"

    store.content = None
    await watching.run_once()
    assert await stands(world) == ("armed", "")


@pytest.mark.parametrize("was_killed", [False, True])
@pytest.mark.parametrize("trouble", [500, 503, 403, 302, "hang", "refuse"])
async def test_given_a_store_in_trouble_when_it_is_asked_then_it_neither_stops_nor_lifts(
    world: World, store: ObjectServer, trouble: int | str, was_killed: bool
) -> None:
    watching = watch(world, url_flag(store, patience=0.2))
    if was_killed:
        store.put(b"stop", '"a"')
    await watching.run_once()
    before = await stands(world)
    if isinstance(trouble, int):
        store.status, store.redirect = trouble, "http://127.0.0.1:1/elsewhere"
    elif trouble == "hang":
        store.hangs.set()
    else:
        watching = watch(world, ObjectFlag(HttpObject("http://127.0.0.1:1/KILL"), "object:test"))

    await watching.run_once()

    assert await stands(world) == before
    page = (await world.call("GET", "/metrics")).text
    assert 'agent_swarm_kill_flag_readings_total{flag="object",found="unknown"} 1.0' in page


async def test_given_a_store_that_comes_back_when_it_is_asked_again_then_it_is_followed_again(
    world: World, store: ObjectServer
) -> None:
    watching = watch(world, url_flag(store))
    store.put(b"stop", '"a"')
    await watching.run_once()
    store.status = 500
    await watching.run_once()
    store.status, store.content = 0, None
    await watching.run_once()

    assert await stands(world) == ("armed", "")


async def test_given_an_etag_that_is_not_current_when_the_object_is_asked_for_then_the_new_one_counts(
    world: World, store: ObjectServer
) -> None:
    watching = watch(world, url_flag(store))
    store.put(b"stop", '"a"')
    await watching.run_once()

    store.put(b'{"killed": false}', '"b"')
    await watching.run_once()
    assert await stands(world) == ("armed", "")

    store.put(b'{"killed": true, "reason": "again"}', '"c"')
    await watching.run_once()
    assert await stands(world) == ("killed", "again")


async def test_given_a_store_that_says_unchanged_unasked_when_nothing_is_known_then_that_says_nothing(
    store: ObjectServer,
) -> None:
    store.status = 304

    assert isinstance(await url_flag(store).look(), Unknown)


async def test_given_an_object_that_a_person_overruled_when_a_new_server_sees_it_then_it_stays_lifted(
    world: World, store: ObjectServer
) -> None:
    store.put(b"stop", '"a"')
    await watch(world, url_flag(store)).run_once()
    await world.post("/api/kill-switch", {"action": "lift"})

    await watch(world, url_flag(store)).run_once()
    assert await stands(world) == ("armed", "")
    store.put(b"stop now", '"b"')
    await watch(world, url_flag(store)).run_once()
    assert await stands(world) == ("killed", "stop now")


async def test_given_a_directory_when_an_object_is_put_there_then_it_stops_and_a_missing_directory_says_nothing(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "bucket"
    folder.mkdir()
    watching = watch(world, object_flag((folder / "KILL").as_uri()))
    await watching.run_once()
    (folder / "KILL").write_text("stop")
    await watching.run_once()
    assert await stands(world) == ("killed", "stop")

    folder.rename(tmp_path / "unmounted")
    await watching.run_once()
    assert await stands(world) == ("killed", "stop")
    (tmp_path / "unmounted").rename(folder)
    (folder / "KILL").unlink()
    await watching.run_once()
    assert await stands(world) == ("armed", "")


def test_given_an_address_with_a_signature_when_the_flag_is_named_then_it_is_left_out(store: ObjectServer) -> None:
    flag = object_flag(store.url)

    assert flag.name.endswith("/bucket/KILL")
    assert "secret" not in flag.name
    flag.close()


@pytest.mark.parametrize("text", ["ftp://host/x", "https://", "https://user:pw@host/x", "file://host/x", "KILL"])
def test_given_an_address_that_is_none_when_it_is_set_then_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_object_url(text)


def test_given_the_same_content_without_a_version_when_it_is_judged_then_the_fingerprint_is_the_same() -> None:
    first, second, other = (judge_object(content, "") for content in (b"a", b"a", b"b"))

    assert first == second != other
