"""The frame of operations on what tasks ask people, and on the tasks that wait for it (`store/asking`)."""

from abc import abstractmethod

from agent_swarm.store.operations.base import Operation, R_co


class ApprovalOperation(Operation[R_co]):
    """It locks its tasks, and then what those have asked."""

    __slots__ = ()

    @property
    @abstractmethod
    def task_ids(self) -> tuple[str, ...]:
        """The tasks that asked."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(f"task:{task_id}" for task_id in sorted(set(self.task_ids)))
