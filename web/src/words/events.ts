/** Events as short sentences: what follows the name of what they are about. Pure. */
import type { SwarmEvent } from '../api/client'
import { compact, money } from '../parts/format'

type Names = (id: string | null | undefined) => string
type Teller = (data: Record<string, unknown>, names: Names, event: SwarmEvent) => string

const word = (value: unknown): string => (value === null || value === undefined ? '' : String(value))
const because = (what: string, data: Record<string, unknown>) => {
  const why = word(data.message) || word(data.reason)
  return why ? `${what}: ${why}` : what
}
const list = (value: unknown): string => (Array.isArray(value) ? value.map(word).join(', ') : word(value))
const results = (data: Record<string, unknown>): string => {
  const count = Array.isArray(data.taskIds) ? data.taskIds.length : 0
  return count ? `${count} result${count === 1 ? '' : 's'}` : 'the branch by itself'
}
const by = (data: Record<string, unknown>, names: Names) => names(word(data.agentId)) || 'an agent'

const TELLERS: Record<string, Teller> = {
  'task.created': (data) => `filed: ${word(data.title)}`,
  'task.claimed': (data, names, event) => `${by(data, names)} took it, attempt ${event.attempt}`,
  'task.started': (data, names) => `${by(data, names)} started`,
  'task.progressed': (data) => word(data.text),
  'task.completed': (data, names) => `${by(data, names)} completed it`,
  'task.failed': (data) => because('failed', data),
  'task.requeued': (data) => because('queued again', data),
  'task.paused': (data) => because('paused', data),
  'task.killed': () => 'killed, and paused',
  'task.cancelled': (data) => because('cancelled', data),
  'task.resumed': () => 'queued again by a person',
  'task.promoted': () => 'came out of the backlog',
  'task.shelved': () => 'went to the backlog',
  'task.unblocked': () => 'waits for nothing more',
  'task.ready': () => 'its time has come',
  'task.pauseRequested': () => 'asked to pause',
  'task.reprioritized': (data) => `priority ${word(data.priority)}`,
  'task.offered': (data, names) => `offered to ${by(data, names)}`,
  'task.noEligibleAgent': () => 'no agent could take it',
  'task.waitsForBudget': (data) => `waits for budget ${word(data.budget)}`,
  'task.attached': (data) => `left ${word(data.name)}`,
  'task.outcomeStated': (data) => `${word(data.outcome)}: ${word(data.text)}`,
  'task.usageBooked': (data) =>
    `${compact(Number(data.inputTokens ?? 0) + Number(data.outputTokens ?? 0))} tokens, ${money(Number(data.costUsd ?? 0))}`,
  'agent.registered': (data) => `${word(data.name)} reported for work`,
  'agent.signedOff': () => 'left in good order',
  'agent.stopped': (data) => because('gets no work any more', data),
  'agent.started': () => 'gets work again',
  'agent.resting': (data) => because('rests', data),
  'agent.killAcknowledged': () => 'confirmed that nothing runs any more',
  'approval.asked': (data) => `asks: ${word(data.title)}`,
  'approval.answered': (data) => `${word(data.title)}: ${word(data.status)}`,
  'approval.expired': (data) => `${word(data.title)}: nobody answered`,
  'approval.closed': (data) => `${word(data.title)}: its task has ended`,
  'killSwitch.activated': (data) => because(`stopped ${word(data.scope)}`, data),
  'killSwitch.lifted': () => 'lets work go on',
  'message.posted': (data) => (data.channel ? `said in #${word(data.channel)}` : `said to ${word(data.recipients)}`),
  'message.delivered': (data, names) => `handed to ${actor(word(data.recipient), names)}`,
  'message.acknowledged': (data, names) => `${actor(word(data.recipient), names)} has it`,
  'signingKey.created': () => 'another key signs the tokens of sessions',
  'config.set': (data) => `stored ${word(data.key)}`,
  'config.removed': (data) => `removed ${word(data.key)}`,
  'channel.created': (data) => `#${word(data.name)} was made`,
  'project.created': (data) => `added ${word(data.name)}`,
  'budget.reached': (data) => `budget ${word(data.name)} is used up`,
  'schedule.fired': (data) => `${word(data.name)} began run ${word(data.run)}`,
  'session.started': (data) => `${word(data.owner)} logged in`,
  'task.unpinned': () => 'no longer waits for one agent',
  'task.offerAccepted': (data, names) => `${by(data, names)} accepted it`,
  'task.offerRejected': (data, names) => because(`${by(data, names)} rejected it`, data),
  'task.offerExpired': (data, names) => `${by(data, names)} did not answer the offer`,
  'task.edited': (data) => `says something else: ${list(data.fields)}`,
  'task.archived': () => 'was put aside',
  'agent.introduced': (data) => `${word(data.name)} is known, and has not reported yet`,
  'agent.profileChanged': (data) => `profile version ${word(data.version)}: ${list(data.fields)}`,
  'agent.updated': () => 'came back, or with another profile',
  'agent.superseded': () => 'a newer process took over',
  'agent.permissions': (data) => (data.profile ? `has permissions ${word(data.profile)}` : 'has no permission profile'),
  'audit.checkpointed': (data) => `checkpoint ${word(data.number)} was signed`,
  'audit.keyIntroduced': () => 'another key signs checkpoints',
  'audit.archived': (data) => `events ${word(data.fromSeq)} to ${word(data.toSeq)} went to ${word(data.file)}`,
  'project.copyAsked': (data, names) => `${by(data, names)} is asked to bring its copy up to date`,
  'project.copyReported': (data, names) => `the copy of ${by(data, names)}: ${word(data.status)}`,
  'project.overlapFound': (data) => `running attempts would not merge: ${list(data.files)}`,
  'project.overlapGone': () => 'running attempts would merge again',
  'swarm.created': (data) => `swarm ${word(data.name)} was made`,
  'swarm.changed': (data) => (data.projectId ? 'has another project' : 'has no project any more'),
  'swarm.paused': () => 'begins nothing until it goes on',
  'swarm.resumed': () => 'goes on',
  'swarm.joined': (data, names) => `${by(data, names)} joined ${word(data.name)}`,
  'swarm.left': (data, names) => `${by(data, names)} left ${word(data.name)}`,
  'swarm.deleted': (data) => `swarm ${word(data.name)} was deleted`,
  'channel.joined': (data, names) => `${actor(word(data.member), names)} joined #${word(data.name)}`,
  'channel.left': (data, names) => `${actor(word(data.member), names)} left #${word(data.name)}`,
  'config.revealed': (data) => `the value of ${word(data.key)} was shown`,
  'key.added': (data) => `data key ${word(data.version)} encrypts new values`,
  'key.removed': (data) => `data key ${word(data.version)} is gone`,
  'key.changing': () => 'the master key is being changed',
  'key.changed': () => 'the master key was changed',
  'key.changeGivenUp': () => 'the master key stays as it was',
  'memory.stored': (data) => `${data.isNew ? 'noted' : 'changed note'} ${word(data.name)}`,
  'memory.removed': (data) => `removed note ${word(data.name)}`,
  'kv.set': (data) => `${word(data.namespace)}/${word(data.key)} has version ${word(data.version)}`,
  'kv.removed': (data) => because(`removed ${word(data.namespace)}/${word(data.key)}`, data),
  'budget.created': (data) => `budget ${word(data.name)} caps what is spent`,
  'budget.changed': (data) => `budget ${word(data.name)} was changed`,
  'budget.removed': (data) => `budget ${word(data.name)} is no more`,
  'budget.renewed': (data) => `a new period of budget ${word(data.name)} began`,
  'budget.shut': (data) => `budget ${word(data.name)} has no room for another attempt`,
  'budget.opened': (data) => `nobody waits for room in budget ${word(data.name)} any more`,
  'schedule.created': (data) => `schedule ${word(data.name)} was made`,
  'schedule.changed': (data) => `schedule ${word(data.name)} was changed`,
  'schedule.paused': (data) => because(`schedule ${word(data.name)} was paused`, data),
  'schedule.resumed': (data) => `schedule ${word(data.name)} goes on`,
  'schedule.finished': (data) => `schedule ${word(data.name)} has no run left`,
  'schedule.removed': (data) => `schedule ${word(data.name)} is no more`,
  'schedule.skipped': (data) => because(`${word(data.name)} left out run ${word(data.run)}`, data),
  'schedule.queued': (data) => `${word(data.name)} lets run ${word(data.run)} wait for the one before`,
  'schedule.failed': (data) => because(`${word(data.name)} could not begin run ${word(data.run)}`, data),
  'schedule.missed': (data) => `${word(data.name)} missed ${word(data.count)}${data.more ? ' or more' : ''}`,
  'trigger.created': (data) => `trigger ${word(data.name)} was made`,
  'trigger.paused': (data) => because(`trigger ${word(data.name)} was paused`, data),
  'trigger.resumed': (data) => `trigger ${word(data.name)} fires again`,
  'trigger.removed': (data) => `trigger ${word(data.name)} is no more`,
  'trigger.fired': (data) => `fired: ${word(data.action)}`,
  'trigger.carriedOut': (data) => `carried out: ${word(data.action)}`,
  'trigger.refused': (data) => because(`${word(data.action)} cannot be done`, data),
  'trigger.delivered': (data) => `webhook taken, status ${word(data.status)}`,
  'trigger.gaveUp': (data) => because('webhook given up', data),
  'trigger.redelivered': () => 'webhook is sent again',
  'trigger.secretRemoved': () => 'a signing secret that nothing opens is gone',
  'mergeQueue.set': (data) => `up to ${word(data.largest)} results are checked together and landed`,
  'mergeQueue.off': () => 'its merge queue checks nothing more',
  'mergeQueue.halted': (data) => because('its merge queue halted', data),
  'mergeQueue.entered': () => 'its result is in the merge queue',
  'mergeQueue.dropped': () => 'its result was taken out of the merge queue',
  'mergeQueue.checking': (data) => `${results(data)} checked`,
  'mergeQueue.landed': (data) => `${results(data)} landed at ${word(data.commit).slice(0, 12)}`,
  'mergeQueue.failed': (data) => `${results(data)} checked: ${word(data.verdict)}`,
  'mergeQueue.returned': (data) =>
    `its result does not fit (${word(data.code)})${data.followUpId ? ' and is asked for again' : ''}`,
  'token.created': (data) => `${word(data.kind)} token ${word(data.label)} was made`,
  'token.revoked': () => 'token was revoked',
  'user.created': (data) => `may log in as ${word(data.role)}`,
  'user.changed': (data) => (data.disabled ? 'may not log in any more' : 'was changed'),
  'user.removed': () => 'is no more',
  'session.ended': (data) => because(`the session of ${word(data.owner)} ended`, data),
  'session.allEnded': () => 'every session ended',
  'signingKey.removed': () => 'a signing key that nothing opens is gone',
  'auth.denied': (data) => because('requests were refused', data),
}

/** What happened, in words; the fields of an event that a newer server tells of. */
export function sentence(event: SwarmEvent, names: Names): string {
  const teller = TELLERS[event.type]
  if (teller) return teller(event.data, names, event)
  return Object.entries(event.data)
    .filter(([, value]) => value !== null && typeof value !== 'object')
    .map(([key, value]) => `${key} ${word(value)}`)
    .join(', ')
}

/** Whose doing it was: people and agents by name. */
export function actor(who: string, names: Names): string {
  const [kind, id] = who.split(':', 2)
  return kind === 'agent' && id ? names(id) : (id ?? who)
}
