/** Titles of tasks by their ids: known from events, else read when somebody shows one. */
import { useSyncExternalStore } from 'react'
import { api, must } from '../api/client'
import { short } from './directory'
import { stream } from './stream'

const AT_ONCE = 6
const titles = new Map<string, string>()
const wanted = new Set<string>()
const listeners = new Set<() => void>()
let version = 0
let reading = 0

stream.read(({ events }) => {
  for (const event of events)
    if (event.type === 'task.created' && event.taskId) put(event.taskId, String(event.data.title))
})

function put(id: string, title: string): void {
  titles.set(id, title)
  version++
  for (const listener of listeners) listener()
}

function want(id: string): void {
  if (wanted.has(id)) return
  wanted.add(id)
  queueMicrotask(readNext)
}

function readNext(): void {
  for (const id of wanted) {
    if (reading >= AT_ONCE) return
    if (titles.has(id)) continue
    reading++
    titles.set(id, short(id)) // what is shown until it is known, or for good where it is gone
    const read = must(api.GET('/api/tasks/{id}', { params: { path: { id } } }))
    read
      .then((task) => put(id, task.title))
      .catch(() => undefined)
      .finally(() => {
        reading--
        readNext()
      })
  }
  if (reading === 0) wanted.clear()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** A function from ids of tasks to titles; it answers the id's end until the title is known. */
export function useTitles(): (id: string) => string {
  useSyncExternalStore(subscribe, () => version)
  return (id) => {
    const known = titles.get(id)
    if (known === undefined) want(id)
    return known ?? short(id)
  }
}
