"""The points between which a kill must lose nothing; tests kill a worker at each of them."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just been done."""

    RUN_RECORDED = "runRecorded"
    REPOSITORY_MADE = "repositoryMade"
    FILES_CHECKED_OUT = "filesCheckedOut"
    DEPENDENCIES_MERGED = "dependenciesMerged"
    PREPARED = "prepared"
    HELD = "held"
    TAKEN_OVER = "takenOver"
    BRANCHED_ANEW = "branchedAnew"
    WORK_COMMITTED = "workCommitted"
    WORK_FETCHED = "workFetched"
    RESULT_NAMED = "resultNamed"
    RESULT_PUSHED = "resultPushed"
    LANDED = "landed"
    SNAPSHOT_NAMED = "snapshotNamed"
    SNAPSHOT_PUSHED = "snapshotPushed"
    FOLDER_KEPT = "folderKept"
    THROWN_AWAY = "thrownAway"
    TRASH_EMPTIED = "trashEmptied"


Reached = Callable[[Step], None]


def go_on(_: Step) -> None:
    """What happens at each step outside of tests: nothing."""
