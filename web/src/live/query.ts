/**
 * What views read from the server, kept while somebody looks at it, and read again when an event says that it changed.
 * No clock asks for anything: without events there are no requests.
 */
import { useCallback, useRef, useSyncExternalStore } from 'react'
import type { SwarmEvent } from '../api/client'
import { Refused } from '../api/refused'
import { stream } from './stream'

export type Snapshot<T> = { data: T | undefined; error: Refused | undefined }
export type Affects = (event: SwarmEvent) => boolean
type Entry = {
  snapshot: Snapshot<unknown>
  load: () => Promise<unknown>
  affects: Affects
  listeners: Set<() => void>
  isLoading: boolean
  isStale: boolean
  readAt: number
  timer: ReturnType<typeof setTimeout> | undefined
  apartMs: number
}

const APART_MS = 400 // between two readings of the same, however much happens
const KEPT_MS = 30_000 // after the last view has gone: going back shows something at once
const NOTHING: Snapshot<never> = { data: undefined, error: undefined }
const entries = new Map<string, Entry>()

/** The value under `key`, live; null reads nothing. `load` and `affects` belong to the key. */
export function useLive<T>(
  key: string | null,
  load: () => Promise<T>,
  affects: Affects,
  { apartMs = APART_MS }: { apartMs?: number } = {},
): Snapshot<T> {
  const how = useRef({ load, affects, apartMs })
  how.current = { load, affects, apartMs }
  const subscribe = useCallback(
    (listener: () => void) => (key === null ? () => undefined : follow(key, how.current, listener)),
    [key],
  )
  const read = () => (key === null ? NOTHING : (entries.get(key)?.snapshot ?? NOTHING))
  return useSyncExternalStore(subscribe, read) as Snapshot<T>
}

/** Read again what is kept under keys that begin so, after the page itself has changed it. */
export function refresh(prefix: string): void {
  for (const [key, entry] of entries) if (key.startsWith(prefix)) soon(entry)
}

/** Forget everything: somebody else is logged in. */
export function forgetAll(): void {
  for (const entry of entries.values()) clearTimeout(entry.timer)
  entries.clear()
}

function follow(key: string, how: Pick<Entry, 'load' | 'affects' | 'apartMs'>, listener: () => void): () => void {
  const entry: Entry = entries.get(key) ?? {
    ...how,
    snapshot: NOTHING,
    listeners: new Set(),
    isLoading: false,
    isStale: true,
    readAt: 0,
    timer: undefined,
  }
  entries.set(key, entry)
  Object.assign(entry, how)
  entry.listeners.add(listener)
  if (entry.isStale) soon(entry)
  return () => {
    entry.listeners.delete(listener)
    setTimeout(() => {
      if (entry.listeners.size === 0 && entries.get(key) === entry) entries.delete(key)
    }, KEPT_MS)
  }
}

function soon(entry: Entry): void {
  entry.isStale = true
  if (entry.isLoading || entry.timer !== undefined || entry.listeners.size === 0) return
  const due = entry.readAt + entry.apartMs - Date.now()
  entry.timer = setTimeout(() => void reload(entry), Math.max(0, due))
}

async function reload(entry: Entry): Promise<void> {
  entry.timer = undefined
  entry.isLoading = true
  await stream.firstTry
  entry.isStale = false
  entry.readAt = Date.now()
  try {
    entry.snapshot = { data: await entry.load(), error: undefined }
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    entry.snapshot = { data: entry.snapshot.data, error }
    if (error.isOffline) entry.isStale = false // read again when the stream is back
  } finally {
    entry.isLoading = false
  }
  for (const listener of entry.listeners) listener()
  if (entry.isStale) soon(entry)
}

stream.read(({ events, isReset }) => {
  for (const entry of entries.values()) {
    if (isReset || events.some(entry.affects)) soon(entry)
  }
})

let wasLive = false
stream.watch(() => {
  const isLive = stream.state.phase === 'live'
  if (isLive && !wasLive) for (const entry of entries.values()) if (entry.snapshot.error) soon(entry)
  wasLive = isLive
})

/** Events of these kinds of things, such as 'task' or 'agent'. */
export function about(...kinds: string[]): Affects {
  const prefixes = kinds.map((kind) => `${kind}.`)
  return (event) => prefixes.some((prefix) => event.type.startsWith(prefix))
}

/** Events of one task. */
export const ofTask =
  (taskId: string): Affects =>
  (event) =>
    event.taskId === taskId
