"""The streams a swarm has in NATS: made by whoever comes first, with as many replicas as there are servers for.

Names hold the cluster id, so that two swarms can use one NATS.
"""

import re
from dataclasses import replace

import structlog
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig, StreamInfo
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from agent_swarm.bus.nats.link import FAILURES
from agent_swarm.bus.nats.settings import NatsSettings
from agent_swarm.domain.errors import Unavailable

log = structlog.get_logger()

REPLICAS = 3
NOTICE_SECONDS = 300.0  # a node that was cut off for longer looks by itself
NOTICE_BYTES = 64 * 1024 * 1024
DUPLICATE_SECONDS = 120.0
API_SECONDS = 3.0
_TEMPORARILY_UNAVAILABLE = 10008  # JetStream's code while a cluster has no leader
_CLUSTER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def notices(cluster: str) -> StreamConfig:
    """The stream of notices; its one subject is `subjects[0]`."""
    return _stream(f"SWARM_NOTICES_{_checked(cluster)}", f"swarm.{cluster}.notices", NOTICE_SECONDS, NOTICE_BYTES)


def transcripts(cluster: str, settings: NatsSettings) -> StreamConfig:
    """The stream of transcript lines, with a subject per attempt."""
    name, subjects = f"SWARM_TRANSCRIPTS_{_checked(cluster)}", f"swarm.{cluster}.transcripts.*.*"
    return _stream(name, subjects, settings.keep_hours * 3600, settings.keep_bytes)


def jetstream(client: Client) -> JetStreamContext:
    """JetStream over this connection."""
    return client.jetstream(timeout=API_SECONDS)


async def ensured(client: Client, wanted: StreamConfig) -> StreamInfo:
    """The stream, made or changed where it is not as `wanted`. Raises one of FAILURES, or Unavailable with the remedy.

    The number of replicas only ever grows: while servers are away a stream is not made smaller.
    """
    try:
        stream = jetstream(client)
        try:
            found = await stream.stream_info(wanted.name or "")
        except NotFoundError:
            found = await _create(stream, wanted)
        return await _adjust(stream, found, wanted)
    except ServiceUnavailableError as exc:
        if exc.err_code == _TEMPORARILY_UNAVAILABLE:
            raise
        raise _no_jetstream() from exc
    except APIError as exc:
        if "not enabled" in str(exc.description):
            raise _no_jetstream() from exc
        raise Unavailable(
            f"NATS does not give the stream {wanted.name}: {exc.description}",
            hint="give it more storage (max_file_store), or set AGENT_SWARM_NATS_KEEP_BYTES lower",
        ) from exc


async def _create(stream: JetStreamContext, wanted: StreamConfig) -> StreamInfo:
    try:
        return await stream.add_stream(wanted)
    except APIError as exc:
        if "already in use" in str(exc.description):  # another node was faster
            return await stream.stream_info(wanted.name or "")
        return await stream.add_stream(replace(wanted, num_replicas=1))


async def _adjust(stream: JetStreamContext, found: StreamInfo, wanted: StreamConfig) -> StreamInfo:
    has = found.config
    kept = (has.subjects, has.max_age, has.max_bytes) == (wanted.subjects, wanted.max_age, wanted.max_bytes)
    if kept and (has.num_replicas or 1) >= REPLICAS:
        return found
    for replicas in (REPLICAS, *(() if kept else (has.num_replicas,))):
        try:
            return await stream.update_stream(
                replace(
                    has,
                    subjects=wanted.subjects,
                    max_age=wanted.max_age,
                    max_bytes=wanted.max_bytes,
                    num_replicas=replicas,
                )
            )
        except FAILURES as exc:
            log.debug("nats_stream_not_changed", stream=wanted.name, replicas=replicas, reason=str(exc))
    return found


def _stream(name: str, subject: str, seconds: float, max_bytes: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        max_age=seconds,
        max_bytes=max_bytes,
        storage=StorageType.FILE,  # so that it is still there when all servers were down
        num_replicas=REPLICAS,
        duplicate_window=min(DUPLICATE_SECONDS, seconds),
    )


def _checked(cluster: str) -> str:
    if not _CLUSTER_ID.fullmatch(cluster):
        raise ValueError(f"{cluster!r} is no cluster id: expected up to 64 letters, digits, - and _")
    return cluster


def _no_jetstream() -> Unavailable:
    return Unavailable("NATS is there but its JetStream is not", hint="start the server with -js and a store directory")
