/**
 * The one event stream that feeds every view. It comes back by itself, from the last event that it has seen: nothing is
 * missed and nothing told twice. A page that is not looked at for a while lets its connection go, and catches up later.
 */
import type { SwarmEvent } from '../api/client'
import { session } from '../api/session'
import { type Message, StreamReader } from './sse'

export type StreamState = { phase: 'connecting' | 'live' | 'lost'; missed: number; backAt: number }
type News = { events: SwarmEvent[]; isReset: boolean }

const SILENCE_MS = 40_000 // the server gives a sign of life every 15 s
const UNSEEN_MS = 120_000
const LONGEST_PAUSE_MS = 8_000

class Stream {
  state: StreamState = { phase: 'connecting', missed: 0, backAt: 0 }
  #lastId: string | null = null
  #stop: AbortController | null = null
  #watchers = new Set<() => void>()
  #readers = new Set<(news: News) => void>()
  #opened!: () => void
  /** The stream was opened once, or could not be: what is read from now on misses nothing. */
  firstTry = new Promise<void>((resolve) => {
    this.#opened = resolve
  })

  watch = (watcher: () => void) => {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  read(reader: (news: News) => void): () => void {
    this.#readers.add(reader)
    return () => this.#readers.delete(reader)
  }

  start(): void {
    if (this.#stop) return
    this.#stop = new AbortController()
    void this.#run(this.#stop.signal)
  }

  stop(): void {
    this.#stop?.abort()
    this.#stop = null
  }

  async #run(signal: AbortSignal): Promise<void> {
    let pause = 250
    while (!signal.aborted) {
      const began = Date.now()
      await this.#follow(signal).catch(() => undefined)
      if (signal.aborted) return
      this.#opened()
      this.#show({ ...this.state, phase: 'lost' })
      pause = Date.now() - began > 5_000 ? 250 : Math.min(pause * 2, LONGEST_PAUSE_MS)
      await Promise.race([wait(pause), once(window, 'online')])
      await seen()
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const round = new AbortController()
    const end = () => round.abort()
    signal.addEventListener('abort', end)
    let silence = setTimeout(end, SILENCE_MS)
    let unseen: ReturnType<typeof setTimeout> | undefined
    const look = () => {
      clearTimeout(unseen)
      if (document.hidden) unseen = setTimeout(end, UNSEEN_MS)
    }
    document.addEventListener('visibilitychange', look)
    try {
      const headers: Record<string, string> = {
        accept: 'text/event-stream',
        authorization: `Bearer ${await session.token()}`,
      }
      if (this.#lastId !== null) headers['last-event-id'] = this.#lastId
      const answer = await fetch('/api/events', { headers, signal: round.signal, cache: 'no-store' })
      if (answer.status === 401) await session.refresh()
      if (!answer.ok || !answer.body) return
      const isBack = this.#lastId !== null
      const reader = new StreamReader()
      let isFirst = true
      for await (const piece of texts(answer.body)) {
        clearTimeout(silence)
        silence = setTimeout(end, SILENCE_MS)
        const messages = reader.read(piece)
        if (isFirst) this.#open(isBack)
        isFirst = false
        if (messages.length > 0) this.#tell(messages)
      }
    } finally {
      clearTimeout(silence)
      clearTimeout(unseen)
      document.removeEventListener('visibilitychange', look)
      signal.removeEventListener('abort', end)
    }
  }

  #open(isBack: boolean): void {
    this.#opened()
    this.#show({ phase: 'live', missed: 0, backAt: isBack ? Date.now() : 0 })
  }

  #tell(messages: Message[]): void {
    const news: News = { events: [], isReset: false }
    for (const message of messages) {
      if (message.id !== null) this.#lastId = message.id
      if (message.event === 'reset') news.isReset = true
      else if (message.data) news.events.push(JSON.parse(message.data) as SwarmEvent)
    }
    if (news.events.length === 0 && !news.isReset) return
    const isCatchingUp = Date.now() - this.state.backAt < 1_500
    if (isCatchingUp) this.#show({ ...this.state, missed: this.state.missed + news.events.length })
    for (const reader of this.#readers) reader(news)
  }

  #show(state: StreamState): void {
    this.state = state
    for (const watcher of this.#watchers) watcher()
  }
}

export const stream = new Stream()

async function* texts(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const once = (target: EventTarget, type: string) =>
  new Promise<void>((resolve) => target.addEventListener(type, () => resolve(), { once: true }))
const seen = async () => {
  while (document.hidden) await once(document, 'visibilitychange')
}
