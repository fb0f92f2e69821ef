/**
 * The board: of each column the tasks that were read, newest first, page by page, and kept current by events.
 * A hundred thousand tasks are as cheap as a hundred: only what is scrolled to is read, only what is seen is drawn.
 */
import { api, must, type SwarmEvent, type Task } from '../api/client'
import { COLUMN_NAMES, COLUMNS, type Column, columnOf, taskAfter } from './moves'
import { stream } from './stream'

export type Filters = { swarm: string; agent: string; project: string; tag: string }
export type ColumnState = { tasks: Task[]; cursor: string | null; isWhole: boolean; isReading: boolean; error: unknown }

const PAGE = 100
const APART_MS = 400
const FEW = 24 // changed tasks that are read one by one; beyond that the columns' first pages are
const fresh = (): ColumnState => ({ tasks: [], cursor: null, isWhole: false, isReading: false, error: null })

/** `tasks` with `task` at its place, in the place of an earlier one of it. Newest first; ids grow with time. */
export function placed(tasks: Task[], task: Task): Task[] {
  const { index, isFound } = locate(tasks, task.id)
  const copy = tasks.slice() // a copy as a whole and one change in it: ten times as quick as toSpliced
  if (isFound) copy[index] = task
  else copy.splice(index, 0, task)
  return copy
}

export function without(tasks: Task[], id: string): Task[] {
  const { index, isFound } = locate(tasks, id)
  return isFound ? tasks.toSpliced(index, 1) : tasks
}

/** Both lists as one, without doubles; of two of a task that of `news`. */
export function joined(tasks: Task[], news: Task[]): Task[] {
  const last = tasks.at(-1)
  const first = news[0]
  if (!last || (first && first.id < last.id)) return [...tasks, ...news]
  return news.reduce(placed, tasks)
}

function locate(tasks: Task[], id: string): { index: number; isFound: boolean } {
  let low = 0
  let high = tasks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((tasks[middle]?.id ?? '') > id) low = middle + 1
    else high = middle
  }
  return { index: low, isFound: tasks[low]?.id === id }
}

export class Board {
  columns: Record<Column, ColumnState>
  #listeners = new Set<() => void>()
  #changed = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #stop: (() => void) | undefined

  constructor(readonly filters: Filters) {
    this.columns = Object.fromEntries(COLUMN_NAMES.map((name) => [name, fresh()])) as Record<Column, ColumnState>
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    if (!this.#stop) this.#start()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#stop?.()
      this.#stop = undefined
    }
  }

  snapshot = () => this.columns

  /** Read the next page of a column. */
  async more(name: Column): Promise<void> {
    const column = this.columns[name]
    if (column.isReading || column.isWhole) return
    this.#set(name, { ...column, isReading: true, error: null })
    try {
      const page = await this.#page(name, column.cursor)
      const now = this.columns[name]
      const tasks = joined(now.tasks, page.tasks)
      this.#set(name, { ...now, tasks, cursor: page.nextCursor, isWhole: page.nextCursor === null, isReading: false })
    } catch (error) {
      this.#set(name, { ...this.columns[name], isReading: false, error })
    }
  }

  #start(): void {
    const unread = stream.read(({ events, isReset }) => (isReset ? void this.#readAnew() : this.#hear(events)))
    const unwatch = stream.watch(() => {
      if (stream.state.phase === 'live' && this.#lacksSome()) void this.#readAnew()
    })
    this.#stop = () => {
      unread()
      unwatch()
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    void stream.firstTry.then(() => this.#readAnew())
  }

  /** Move at once what is known; read what is not, and the rest of what changed, a little later. */
  #hear(events: SwarmEvent[]): void {
    for (const event of events) {
      if (!event.taskId || !event.type.startsWith('task.') || event.type === 'task.usageBooked') continue
      const held = this.#find(event.taskId)
      if (held) this.#put(taskAfter(held, event))
      this.#changed.add(event.taskId)
    }
    if (this.#changed.size > 0) this.#timer ??= setTimeout(() => void this.#catchUp(), APART_MS)
  }

  async #catchUp(): Promise<void> {
    this.#timer = undefined
    const ids = [...this.#changed]
    this.#changed.clear()
    if (ids.length > FEW) return this.#readAnew()
    await Promise.all(
      ids.map(async (id) => {
        const task = await must(api.GET('/api/tasks/{id}', { params: { path: { id } } })).catch(() => null)
        if (task) this.#put(task)
      }),
    )
  }

  /** The first page of every column, into what is there. */
  async #readAnew(): Promise<void> {
    await Promise.all(
      COLUMN_NAMES.map(async (name) => {
        const page = await this.#page(name, null).catch((error: unknown) => {
          this.#set(name, { ...this.columns[name], error })
          return null
        })
        if (!page) return
        for (const task of page.tasks) this.#leave(task)
        const now = this.columns[name]
        const isFirst = now.tasks.length === 0 && now.cursor === null
        const rest = isFirst ? { cursor: page.nextCursor, isWhole: page.nextCursor === null } : {}
        this.#set(name, { ...now, ...rest, tasks: joined(now.tasks, page.tasks), error: null })
      }),
    )
  }

  /** A column could not be read. */
  #lacksSome(): boolean {
    return COLUMN_NAMES.some((name) => this.columns[name].error !== null)
  }

  async #page(name: Column, cursor: string | null) {
    const { swarm, agent, project, tag } = this.filters
    const query = {
      status: COLUMNS[name].join(','),
      limit: PAGE,
      cursor: cursor ?? undefined,
      swarm: swarm || undefined,
      agentId: agent || undefined,
      project: project || undefined,
      tag: tag || undefined,
    }
    return must(api.GET('/api/tasks', { params: { query } }))
  }

  #fits(task: Task): boolean {
    const { swarm, agent, project, tag } = this.filters
    return (
      (!swarm || task.swarmId === swarm) &&
      (!agent || task.agentId === agent) &&
      (!project || task.projectId === project) &&
      (!tag || task.tags.includes(tag) || task.requires.tags.includes(tag))
    )
  }

  #find(id: string): Task | undefined {
    for (const name of COLUMN_NAMES) {
      const { index, isFound } = locate(this.columns[name].tasks, id)
      if (isFound) return this.columns[name].tasks[index]
    }
    return undefined
  }

  #put(task: Task): void {
    this.#leave(task)
    if (!this.#fits(task)) return
    const name = columnOf(task.status)
    this.#set(name, { ...this.columns[name], tasks: placed(this.columns[name].tasks, task) })
  }

  /** Take it out of the columns that it is not in any more. */
  #leave(task: Task): void {
    const home = this.#fits(task) ? columnOf(task.status) : null
    for (const name of COLUMN_NAMES) {
      if (name === home) continue
      const tasks = without(this.columns[name].tasks, task.id)
      if (tasks !== this.columns[name].tasks) this.#set(name, { ...this.columns[name], tasks })
    }
  }

  #set(name: Column, column: ColumnState): void {
    this.columns = { ...this.columns, [name]: column }
    for (const listener of this.#listeners) listener()
  }
}
