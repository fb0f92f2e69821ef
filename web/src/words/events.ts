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
  'auth.denied': (data) => because('requests were refused', data),
}

/** What happened, in words; the event's fields where there is no sentence for it. */
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
