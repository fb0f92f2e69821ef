/** Attempts as spans of time, put together from what happened. Pure. */
import type { SwarmEvent } from '../api/client'

export type Span = {
  key: string
  taskId: string
  agentId: string
  attempt: number
  fence: number | null
  claimedAt: number | null // null: before the span that was read
  startedAt: number | null
  endedAt: number | null // null: it goes on
  outcome: string
}

const ENDS: Record<string, string> = {
  'task.completed': 'completed',
  'task.failed': 'failed',
  'task.requeued': 'failed',
  'task.paused': 'paused',
  'task.killed': 'killed',
  'task.cancelled': 'cancelled',
}
export const SPAN_TYPES = ['task.claimed', 'task.started', ...Object.keys(ENDS)]

/** The attempts that events tell of; events oldest first. Ends without an attempt are of tasks that nobody had. */
export function spansOf(events: SwarmEvent[]): Span[] {
  const spans = new Map<string, Span>()
  for (const event of events) {
    if (!event.taskId || event.attempt === null || !SPAN_TYPES.includes(event.type)) continue
    const key = `${event.taskId} ${event.attempt}`
    const held = spans.get(key) ?? begun(key, event, event.taskId, event.attempt)
    if (!held || held.endedAt !== null) continue
    spans.set(key, told(held, event))
  }
  return [...spans.values()]
}

function begun(key: string, event: SwarmEvent, taskId: string, attempt: number): Span | null {
  const agentId = event.data.agentId
  if (typeof agentId !== 'string') return null
  return {
    key,
    taskId,
    agentId,
    attempt,
    fence: null,
    claimedAt: null,
    startedAt: null,
    endedAt: null,
    outcome: 'running',
  }
}

function told(span: Span, event: SwarmEvent): Span {
  const at = Date.parse(event.at)
  if (event.type === 'task.claimed') return { ...span, claimedAt: at, fence: Number(event.data.fence) }
  if (event.type === 'task.started') return { ...span, startedAt: at }
  const isLost = event.data.reason === 'lost' || event.data.lost === true
  return { ...span, endedAt: at, outcome: isLost ? 'lost' : (ENDS[event.type] ?? 'failed') }
}
