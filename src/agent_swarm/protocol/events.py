"""The registry of event types: what may stand in `type`, and what its `data` holds.

An event on the wire is `{seq, id, type, at, actor, subject: {kind, id}, swarm, taskId, attempt, data, v}`.
"""

EVENT_TYPES: dict[str, str] = {
    "agent.registered": "An agent's process reported for work: {name, agentRole, instanceId}",
    "agent.introduced": "An agent is known that no process has reported for yet: {name, agentRole, origin}",
    "agent.superseded": "A newer process of the agent took over: {instanceId, by}",
    "agent.signedOff": "An agent's process left in good order: {instanceId}",
    "project.created": "A project was added: {name}",
    "task.created": "A task was filed: {title, status, priority, parentTaskId?, retryOf?}",
    "task.ready": "A timer let a waiting task into the queue: {}",
    "task.unpinned": "A task no longer waits for one agent: {}",
    "task.unblocked": "The last dependency was met: {}",
    "task.claimed": "An agent took the task: {agentId, fence}",
    "task.started": "The run began: {agentId, branch?}",
    "task.progressed": "The agent told how far it is: {text}",
    "task.completed": "The task has its result: {agentId, branch?, commit?}",
    "task.failed": (
        "The task failed for good: "
        "{agentId?, reason?, failureClass?, code?, message?, lost?, upstream?, branch?, commit?}"
    ),
    "task.requeued": (
        "The attempt is over and the task is queued again: "
        "{reason, agentId?, failureClass?, retryAt?, code?, message?, branch?, commit?}"
    ),
    "task.pauseRequested": "A person asked for a pause: {agentId, fence}",
    "task.paused": "The attempt was interrupted and can go on: {reason, agentId?, lost?, branch?, commit?}",
    "task.resumed": "A paused task is queued again: {}",
    "task.cancelled": "The task is not wanted any more: {reason?, agentId?, endedFence?, upstream?}",
    "task.shelved": "The task went to the backlog: {}",
    "task.promoted": "The task came out of the backlog: {}",
    "task.reprioritized": "The task has another priority: {priority}",
    "task.noEligibleAgent": (
        "No agent that is online could take this task, nor those that require the same, for some minutes: "
        "{requires: {tags, capabilities, agentId?}, since, tasks}"
    ),
    "task.usageBooked": "Money and tokens were spent: {inputTokens, outputTokens, costUsd, model?}",
    "token.created": "A token was made: {kind, label}",
    "token.revoked": "A token was revoked: {}",
}
