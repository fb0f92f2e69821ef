/** What may be done with a task of a status, and what an event makes of one. Pure; the server decides. */
import type { SwarmEvent, Task } from '../api/client'

export type Verb = 'promote' | 'backlog' | 'pause' | 'resume' | 'cancel' | 'retry'
export type Column = 'backlog' | 'blocked' | 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled'

/** The columns of the board with the statuses that stand in each. */
export const COLUMNS: Record<Column, string[]> = {
  backlog: ['backlog'],
  blocked: ['blocked'],
  pending: ['pending', 'offered'],
  running: ['claimed', 'running'],
  paused: ['paused'],
  completed: ['completed'],
  failed: ['failed'],
  cancelled: ['cancelled'],
}
export const COLUMN_NAMES = Object.keys(COLUMNS) as Column[]
const OF_STATUS = new Map(COLUMN_NAMES.flatMap((column) => COLUMNS[column].map((status) => [status, column] as const)))

export const columnOf = (status: string): Column => OF_STATUS.get(status) ?? 'pending'

const MOVES: Record<string, [Verb, Column][]> = {
  backlog: [
    ['promote', 'pending'],
    ['cancel', 'cancelled'],
  ],
  blocked: [
    ['backlog', 'backlog'],
    ['cancel', 'cancelled'],
  ],
  pending: [
    ['backlog', 'backlog'],
    ['cancel', 'cancelled'],
  ],
  offered: [['cancel', 'cancelled']],
  claimed: [
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
  ],
  running: [
    ['pause', 'paused'],
    ['cancel', 'cancelled'],
  ],
  paused: [
    ['resume', 'pending'],
    ['cancel', 'cancelled'],
  ],
  completed: [['retry', 'pending']],
  failed: [['retry', 'pending']],
  cancelled: [['retry', 'pending']],
}

export const verbsOf = (status: string): Verb[] => (MOVES[status] ?? []).map(([verb]) => verb)

/** What brings a task of this status into that column; null where nothing does. */
export const verbTo = (status: string, column: Column): Verb | null =>
  (MOVES[status] ?? []).find(([, to]) => to === column)?.[0] ?? null

const AFTER: Record<string, string> = {
  'task.claimed': 'claimed',
  'task.started': 'running',
  'task.completed': 'completed',
  'task.failed': 'failed',
  'task.cancelled': 'cancelled',
  'task.requeued': 'pending',
  'task.unblocked': 'pending',
  'task.resumed': 'pending',
  'task.promoted': 'pending',
  'task.offerAccepted': 'pending',
  'task.offerRejected': 'pending',
  'task.offerExpired': 'pending',
  'task.offered': 'offered',
  'task.paused': 'paused',
  'task.killed': 'paused',
  'task.shelved': 'backlog',
}

/** The task as it is after the event, as far as the event says so. */
export function taskAfter(task: Task, event: SwarmEvent): Task {
  const status = AFTER[event.type] ?? task.status
  const { data } = event
  switch (event.type) {
    case 'task.claimed':
      return {
        ...task,
        status,
        agentId: String(data.agentId),
        fence: Number(data.fence),
        attempt: event.attempt ?? task.attempt,
      }
    case 'task.progressed':
      return { ...task, progress: String(data.text) }
    case 'task.reprioritized':
      return { ...task, priority: Number(data.priority) }
    default:
      return status === task.status ? task : { ...task, status }
  }
}
