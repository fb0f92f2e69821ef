/** The latest events, for those who want to see them pass by, and how much was finished of late. */
import { useSyncExternalStore } from 'react'
import type { SwarmEvent } from '../api/client'
import { stream } from './stream'

const KEPT = 2000
let recent: SwarmEvent[] = []
const listeners = new Set<() => void>()

stream.read(({ events, isReset }) => {
  recent = [...(isReset ? [] : recent), ...events].slice(-KEPT)
  for (const listener of listeners) listener()
})

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** What the stream has told since the page was opened, oldest first. */
export const useRecent = (): SwarmEvent[] => useSyncExternalStore(subscribe, () => recent)

/** Two lists of events as one without doubles, oldest first. */
export function merged(earlier: SwarmEvent[], later: SwarmEvent[]): SwarmEvent[] {
  const bySeq = new Map(earlier.map((event) => [event.seq, event]))
  for (const event of later) bySeq.set(event.seq, event)
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq)
}
