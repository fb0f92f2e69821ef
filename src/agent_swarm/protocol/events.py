"""The registry of event types: what may stand in `type`, and what its `data` holds.

An event on the wire is `{seq, id, type, at, actor, subject: {kind, id}, swarm, taskId, attempt, data, v}`.
"""

EVENT_TYPES: dict[str, str] = {
    "killSwitch.activated": (
        "Everything that the switch covers was ended: {scope, id, activation, reason, source, attempts}"
    ),
    "killSwitch.lifted": "Work goes on: {scope, id, activation, source, resumed}",
    "agent.killAcknowledged": "A worker confirmed that nothing of its runs is left: {activation, runs}",
    "agent.registered": "An agent's process reported for work: {name, agentRole, instanceId}",
    "agent.introduced": (
        "An agent is known that no process has reported for yet: {name, agentRole, origin, parentAgentId?}"
    ),
    "agent.stopped": "The agent gets no work until it is started; its runs are interrupted: {reason, with?}",
    "agent.profileChanged": "Another version of what is said of the agent counts: {version, fields, note, restored?}",
    "agent.started": "An agent that was stopped gets work again: {}",
    "agent.updated": "The same process came back, or with another profile: {name, agentRole, instanceId}",
    "agent.superseded": "A newer process of the agent took over: {instanceId, by}",
    "agent.permissions": "An operator gave the agent a permission profile; an empty one takes it away: {profile}",
    "agent.resting": "The provider of its model refuses an agent, which takes nothing until then: {reason, until}",
    "agent.signedOff": "An agent's process left in good order: {instanceId}",
    "audit.checkpointed": "A person had a checkpoint of the history signed: {number, seq}",
    "audit.keyIntroduced": "Another key signs checkpoints from here on: {number, keyId}",
    "audit.archived": "Events were put into a file, and taken out of the database: {number, fromSeq, toSeq, file}",
    "project.created": "A project was added: {name}",
    "project.copyAsked": (
        "A worker is asked to bring its copy of a project up to date: "
        "{agentId, requestId, action, name, repoUrl, defaultBranch}"
    ),
    "project.copyReported": "A worker told what became of that: {agentId, requestId, action, ok, status}",
    "project.overlapFound": (
        "Two running attempts at it would not merge as they are, said again where the files are others: "
        "{taskId, attempt, otherTaskId, otherAttempt, files, more}"
    ),
    "project.overlapGone": (
        "They would merge again, or one of them runs no more: {taskId, attempt, otherTaskId, otherAttempt}"
    ),
    "swarm.created": "A swarm was made: {name, projectId}",
    "swarm.changed": "A swarm has another project: {name, projectId}",
    "swarm.paused": "Nothing of the swarm begins until it goes on: {name}",
    "swarm.resumed": "Tasks of the swarm are handed out again: {name}",
    "swarm.joined": "An agent is in the swarm from now on: {name, agentId}",
    "swarm.left": "An agent is not in the swarm any more: {name, agentId}",
    "swarm.deleted": "The swarm is no more, and its agents are in none: {name, agents}",
    "task.created": "A task was filed: {title, status, priority, parentTaskId?, retryOf?}",
    "task.ready": "A timer, or room in a budget, let a waiting task into the queue: {}",
    "task.unpinned": "A task no longer waits for one agent: {}",
    "task.offered": "The task is shown to one agent, which may take it: {agentId, expiresAt}",
    "task.offerAccepted": "The agent takes the task; until then nobody else gets it: {agentId, until}",
    "task.offerRejected": "The agent does not take the task, which is queued for all: {agentId, reason?}",
    "task.offerExpired": "Nobody answered an offer in time; the task is queued for all: {agentId}",
    "task.unblocked": "The last dependency was met: {}",
    "task.claimed": "An agent took the task: {agentId, fence}",
    "task.started": "The run began: {agentId, branch?}",
    "task.progressed": "The agent told how far it is: {text}",
    "task.attached": "The agent left a file with its task: {name, mediaType, bytes, isNew}",
    "task.outcomeStated": "The agent said what came of its task; it counts when the run ends: {outcome, text}",
    "task.completed": "The task has its result: {agentId, branch?, commit?}",
    "task.failed": (
        "The task failed for good: "
        "{agentId?, reason?, failureClass?, code?, message?, lost?, upstream?, branch?, commit?}"
    ),
    "task.requeued": (
        "The attempt is over and the task is queued again: "
        "{reason, agentId?, failureClass?, retryAt?, code?, message?, branch?, commit?}"
    ),
    "task.pauseRequested": (
        "A pause was asked for, by a person, for an answer, by a budget, as its agent was stopped or gives it back: "
        "{agentId, fence, reason?, note?, budgetId?, budget?}"
    ),
    "task.paused": "The attempt was interrupted and can go on: {reason, agentId?, lost?, branch?, commit?}",
    "task.killed": "The kill switch ended the attempt; the task is paused: {agentId, endedFence, activation}",
    "task.resumed": "A paused task is queued again: {}",
    "task.cancelled": "The task is not wanted any more: {reason?, agentId?, endedFence?, upstream?}",
    "task.shelved": "The task went to the backlog: {}",
    "task.promoted": "The task came out of the backlog: {}",
    "task.edited": "A task that nobody had taken up says something else: {fields}",
    "task.archived": "The task was put aside: lists of its swarm leave it out: {}",
    "task.reprioritized": "The task has another priority: {priority}",
    "task.noEligibleAgent": (
        "No agent that is online could take this task, nor those that require the same, for some minutes: "
        "{requires: {tags, capabilities, agentId?}, since, tasks}"
    ),
    "task.usageBooked": "Money and tokens were spent: {inputTokens, outputTokens, costUsd, model?}",
    "task.waitsForBudget": "The task left the queue until a budget has room for it: {budgetId, budget}",
    "budget.created": "What may be spent is capped: {name, scope, scopeId, spentUsd, spentTokens, attempts, capUsd?, "
    "capTokens?, capAttempts?, capAtOnce?}",
    "budget.changed": "A budget is another one, by a person: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "budget.removed": "A budget is no more: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "budget.renewed": "A new period of a budget has begun: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "budget.reached": "All of a budget is spent: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "budget.shut": "A budget had no room for another attempt: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "budget.opened": "Nobody waits for room in a budget any more: {name, scope, scopeId, spentUsd, spentTokens, …}",
    "message.posted": (
        "Something was said; the text is in the message: "
        "{kind, number, recipients, to?, channel?, replyTo?, interrupt?}"
    ),
    "message.delivered": "A worker has messages for its agent, by number: {recipient, messages}",
    "message.acknowledged": "A recipient has messages, by number: {recipient, messages}",
    "channel.created": "A channel was made: {name, members}",
    "channel.joined": "Somebody is a member of a channel from now on: {name, member}",
    "channel.left": "Somebody is no member of a channel any more: {name, member}",
    "config.set": "A value was stored, or replaced by another one: {scope, scopeId, key, isSecret, isNew}",
    "config.removed": "A stored value was removed: {scope, scopeId, key, isSecret}",
    "config.revealed": "Somebody asked to see the value of a secret: {scope, scopeId, key}",
    "key.added": "New values are encrypted with a new data key: {version, masterKeyId}",
    "key.removed": "A data key that nothing is encrypted with went: {version, masterKeyId}",
    "key.changing": "The data keys are wrapped by the next master key, too: {masterKeyId, nextMasterKeyId}",
    "key.changed": "The data keys are wrapped by the next master key alone: {masterKeyId}",
    "key.changeGivenUp": "The data keys are wrapped by the master key so far alone: {masterKeyId}",
    "approval.asked": "An attempt asks people: {title, expiresAt, questions, pauses}",
    "approval.answered": "A person answered, or denied; the first answer counts: {title, status}",
    "approval.expired": "Nobody answered in time, which means no: {title, status}",
    "approval.closed": "The task that asked has ended: {title, status}",
    "memory.stored": "A note was stored, or replaced by another text: {scope, scopeId, name, isNew}",
    "memory.removed": "A note was removed: {scope, scopeId, name}",
    "kv.set": "A value was put under a key: {namespace, key, version, isNew}",
    "kv.removed": "A value was removed, or ran out: {namespace, key, reason}",
    "schedule.created": "Work is to be started by the clock: {name, rule, nextAt?}",
    "schedule.changed": "A schedule has another rule, other work or other policies: {name, rule, nextAt?}",
    "schedule.paused": (
        "A schedule starts nothing, by a person or after failures in a row: {name, reason, failures?, message?}"
    ),
    "schedule.resumed": "A schedule goes on: {name, nextAt?}",
    "schedule.finished": "A schedule has no run left: {name, runs?}",
    "schedule.removed": "A schedule is no more, by a person or a month after its last run: {name, reason}",
    "schedule.fired": "A run began, with its first tasks by id: {name, run, plannedAt?, tasks, taskIds}",
    "schedule.skipped": "A run was left out, because an earlier one is open: {name, run, plannedAt?, reason}",
    "schedule.queued": "A run waits until the one before has ended: {name, run, plannedAt?}",
    "schedule.failed": "Nothing could be started: {name, run, plannedAt?, code, message}",
    "schedule.missed": (
        "Instants passed that nobody runs; `more` says that there were more than are counted: "
        "{name, count, more, first, last}"
    ),
    "trigger.created": "Something happens from now on when tasks have ended: {name, on, action}",
    "trigger.paused": (
        "A trigger fires for no ending, by a person or after failures in a row: {name, reason, failures?, message?}"
    ),
    "trigger.resumed": "A trigger fires again: {name}",
    "trigger.removed": "A trigger is no more: {name}",
    "trigger.fired": "A task has ended so that something is to be done for it: {firing, action, on}",
    "trigger.carriedOut": "A firing has filed a task or posted a message, by its id: {firing, action, made}",
    "trigger.refused": (
        "A firing cannot be done: a bound is reached, or what it names is gone: {firing, action, code, message}"
    ),
    "trigger.delivered": "A webhook was taken: {firing, action, tries, status}",
    "trigger.gaveUp": "A webhook was not taken, and is not tried again: {firing, action, tries, code, message}",
    "trigger.redelivered": "A person has a webhook sent again: {firing, action}",
    "trigger.secretRemoved": "A signing secret that nothing opens any more is gone; nothing is delivered: {}",
    "mergeQueue.set": "A person had results of a project checked and landed: {branch, largest, automatic}",
    "mergeQueue.off": "A person had a merge queue stand still: {}",
    "mergeQueue.halted": "A merge queue cannot go on by itself, and no result is to blame: {code, message}",
    "mergeQueue.entered": "A result is in the merge queue of its project: {hops}",
    "mergeQueue.dropped": "A person took a result out of a merge queue: {}",
    "mergeQueue.checking": "Results are checked together, or the branch by itself: {checkId, taskIds}",
    "mergeQueue.landed": "Results are on the branch of their project: {checkId, commit, taskIds}",
    "mergeQueue.failed": (
        "A check did not pass, or the branch moved meanwhile: {checkId, verdict, taskIds, conflict?}"
    ),
    "mergeQueue.returned": (
        "A result does not fit, and goes back to its author: {checkId, code, message, followUpId?, problem?}"
    ),
    "token.created": "A token was made; one of the same label ends with it: {kind, label, replaced?}",
    "token.revoked": "A token was revoked: {}",
    "user.created": "A person may log in: {role}",
    "user.changed": "A user has another role or password, or may (not) log in: {role?, password?, disabled?}",
    "user.removed": "A user is no more: {}",
    "session.started": "Somebody logged in: {owner, with, address}",
    "session.ended": "A session is over: {owner, reason}",
    "session.allEnded": "Every session there was is over: {epoch}",
    "signingKey.created": "Another key signs the tokens of sessions: {overlapSeconds, replaces}",
    "signingKey.removed": "A key that nothing opens any more is gone, with every token that it signed: {}",
    "auth.denied": "Requests of a subject were refused within a minute: {reason, requests, since}",
}
