"""The places at which tests have a process die, or stand still, between two things that belong together.

A point is where a kill would lose or double something if the program relied on getting any further. In the program a
point does nothing, and nothing in the program changes that: `watch` is for tests alone. `docs/testing.md` says what
they do with it. The steps of a workspace have points of their own, in `worker/workspace/steps.py`.
"""

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Where, and what has happened there; a test dies at each of them."""

    # --- the server -----------------------------------------------------------------------------------------------
    SCHEMA_CREATING = "schema.creating"  # the tables are there, their revision is not
    STORE_CASCADING = "store.cascading"  # a dependant is about to hear of an end; others of the batch may have
    STORE_STAGING = "store.staging"  # some rows of a batch are written, others are not
    STORE_DECIDED = "store.decided"  # a batch lacks nothing but its commit
    STORE_COMMITTED = "store.committed"  # it is durable, and nobody has heard of it
    STORE_TOLD = "store.told"  # subscribers have, those who wait for an answer have not
    POOL_REGISTERED = "pool.registered"  # an agent's process is on record, its token is not sent
    POOL_CLAIMED = "pool.claimed"  # a claim is committed, its frame is not sent
    POOL_ANSWERING = "pool.answering"  # what a frame asked for is done, its answer is not sent
    TRANSCRIPT_TORN = "transcript.torn"  # half of what is to be appended is in the file
    TRANSCRIPT_WRITTEN = "transcript.written"  # all of it is, the worker does not know
    NOTARY_TORN = "notary.torn"  # half of a checkpoint is in the file
    NOTARY_RECORDED = "notary.recorded"  # a checkpoint is in the database, and not in the file
    NOTARY_INTRODUCED = "notary.introduced"  # a key is introduced, and not in the place of the other one
    NOTARY_ARCHIVED = "notary.archived"  # an archive is written, and no signed checkpoint knows of it
    NOTARY_DROPPING = "notary.dropping"  # some of the archived rows are gone
    SERVER_STOPPING = "server.stopping"  # connections are dismissed, the store is open

    # --- the server, while its encryption keys change -------------------------------------------------------------
    KEY_TORN = "keys.torn"  # half of the next master key is in a file beside that of the one so far
    KEY_STAGED = "keys.staged"  # all of it is, the database knows nothing
    KEY_WRAPPED = "keys.wrapped"  # the data keys are wrapped by both, the file holds the one so far
    KEY_INSTALLED = "keys.installed"  # the file holds the next one
    KEY_SETTLED = "keys.settled"  # the wraps by the one so far are gone, nobody has been answered
    KEY_RESEALING = "keys.resealing"  # some values are encrypted anew, others are not
    ACCOUNT_REFRESHED = "account.refreshed"  # the provider gave the next pair of tokens, it is not written down
    ACCOUNT_KEPT = "account.kept"  # it is, and nobody has it
    KEY_RESEALED = "keys.resealed"  # all are, the data key before is still there

    # --- the worker -----------------------------------------------------------------------------------------------
    WORKER_RESCUED = "worker.rescued"  # workspaces of a killed process are saved, its attempts have no ending
    WORKER_REGISTERED = "worker.registered"  # the server's answer is here, the token is not used
    WORKER_CLAIMED = "worker.claimed"  # a claim has arrived, nothing is written down
    WORKER_LEAVING = "worker.leaving"  # runs are paused and delivered, the goodbye is not sent
    LEFTOVER_ENDED = "leftover.ended"  # an attempt of a killed process has its ending, it is not delivered
    SPOOL_CREATED = "spool.created"  # an attempt has its file, nothing runs
    SPOOL_TORN = "spool.torn"  # half of a record is in the file
    SPOOL_APPENDED = "spool.appended"  # a record is, and not sent
    SPOOL_ENDED = "spool.ended"  # the ending is on the disk, and on its way
    SPOOL_ACKNOWLEDGING = "spool.acknowledging"  # what the server has is written down under another name
    LINK_SENT = "link.sent"  # a frame is sent, its answer is not here
    DELIVERY_ANSWERED = "delivery.answered"  # the answer is, and not written down
    DELIVERY_DONE = "delivery.done"  # the server has everything, the file is still there
    RUN_PREPARED = "run.prepared"  # the workspace is made, no agent runs
    MAILBOX_COMING = "mailbox.coming"  # a message for a running agent is here, nothing is written down
    MAILBOX_GIVEN = "mailbox.given"  # the agent has it, and that is not written down
    RUN_LANDED = "run.landed"  # what was checked is on the branch of its project, the ending is in no spool
    RUN_COLLECTED = "run.collected"  # the branch is pushed, the ending is in no spool
    RUN_HELD = "run.held"  # unfinished work is saved, the pause is in no spool
    RUN_ENDED = "run.ended"  # the ending is in the spool, the workspace is still there


class BuildPoint(StrEnum):
    """The same for base images, which a command makes without a server."""

    DOWNLOAD_TORN = "download.torn"  # some of an image has come
    DOWNLOAD_WHOLE = "download.whole"  # all of it has, and is what it should be; nothing is made of it
    CLOUD_COPIED = "cloud.copied"  # a cloud image is copied, no guest has booted
    CLOUD_BOOTED = "cloud.booted"  # its guest runs
    CLOUD_PREPARED = "cloud.prepared"  # its guest has the agent, the setup has not run
    CLOUD_RESTED = "cloud.rested"  # its guest has shut down, the disk is in no image
    DEBIAN_FILLED = "debian.filled"  # the tree of a Debian is there, its disk is not
    DEBIAN_PACKED = "debian.packed"  # its disk is, too, in no image
    IMAGE_BEGUN = "image.begun"  # a folder for a new image is there, and empty
    IMAGE_COPIED = "image.copied"  # the disk is in it
    IMAGE_SEALED = "image.sealed"  # all of it is, it has no name
    IMAGE_NAMED = "image.named"  # it has its name, nobody has been told


Leaving = Callable[[], object]  # does half of what was under way
Watcher = Callable[[str, Leaving | None], None]

_watcher: Watcher | None = None


def crash_point(point: str, leaving: Leaving | None = None) -> None:
    """Nothing, unless a test watches. A process that is to die in the middle of something calls `leaving` before.

    `point` is a value of `Point` or `BuildPoint`, written out: to look it up would cost more than the call. A test
    compares.
    """
    if _watcher is not None:
        _watcher(point, leaving)


def watch(watcher: Watcher | None) -> None:
    """Have `watcher` called in this process wherever a point is reached; None ends it. For tests."""
    global _watcher  # noqa: PLW0603 - a point has to cost nothing, so nothing is handed down
    _watcher = watcher
