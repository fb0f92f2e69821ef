/** What a task is told to do. */
import { api, must, type Task } from '../api/client'
import type { Verb } from './moves'

export function carryOut(verb: Verb, id: string, { reason = '', recursive = false } = {}): Promise<Task> {
  const params = { path: { id } }
  switch (verb) {
    case 'promote':
      return must(api.POST('/api/tasks/{id}/promote', { params }))
    case 'backlog':
      return must(api.POST('/api/tasks/{id}/backlog', { params }))
    case 'pause':
      return must(api.POST('/api/tasks/{id}/pause', { params }))
    case 'resume':
      return must(api.POST('/api/tasks/{id}/resume', { params }))
    case 'cancel':
      return must(api.POST('/api/tasks/{id}/cancel', { params, body: { reason, recursive } }))
    case 'retry':
      return must(api.POST('/api/tasks/{id}/retry', { params, body: { includeResults: false } }))
  }
}
