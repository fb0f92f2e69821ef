/** The tasks around one: what waits for what, who filed what, and where each is drawn. */
import { api, gather, must, type TaskDetail } from '../api/client'

export type Edge = { from: string; to: string; kind: 'depends' | 'below' }
export type Around = { tasks: TaskDetail[]; edges: Edge[]; isCut: boolean }
export type Place = { column: number; row: number }

const MOST = 150 // tasks that are drawn
const AT_ONCE = 12

/** Everything that a task hangs together with, by dependencies and by who filed it, nearest first. */
export async function readAround(id: string): Promise<Around> {
  const found = new Map<string, TaskDetail>()
  let ring = [id]
  while (ring.length > 0 && found.size < MOST) {
    const read = await readAll(ring.slice(0, MOST - found.size))
    for (const task of read) found.set(task.id, task)
    const next = new Set<string>()
    for (const task of read) for (const other of neighbours(task)) next.add(other)
    const below = await Promise.all(
      read.filter((task) => task.rootTaskId === task.id).map((task) => readBelow(task.id)),
    )
    for (const child of below.flat()) next.add(child)
    ring = [...next].filter((other) => !found.has(other))
  }
  const tasks = [...found.values()]
  return { tasks, edges: edgesOf(tasks), isCut: ring.length > 0 }
}

const neighbours = (task: TaskDetail): string[] => [
  ...task.dependsOn.map((edge) => edge.task),
  ...task.dependants.map((edge) => edge.task),
  ...(task.parentTaskId ? [task.parentTaskId, task.rootTaskId] : []),
]

async function readAll(ids: string[]): Promise<TaskDetail[]> {
  const tasks: TaskDetail[] = []
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = ids.slice(at, at + AT_ONCE)
    tasks.push(...(await Promise.all(some.map((id) => must(api.GET('/api/tasks/{id}', { params: { path: { id } } }))))))
  }
  return tasks
}

const readBelow = async (root: string): Promise<string[]> => {
  const tasks = await gather(async (cursor) => {
    const page = await must(api.GET('/api/tasks', { params: { query: { root, limit: 200, cursor } } }))
    return { items: page.tasks, nextCursor: page.nextCursor }
  }, MOST)
  return tasks.map((task) => task.id)
}

function edgesOf(tasks: TaskDetail[]): Edge[] {
  const known = new Set(tasks.map((task) => task.id))
  const edges = tasks.flatMap((task): Edge[] => [
    ...task.dependsOn.map((edge): Edge => ({ from: edge.task, to: task.id, kind: 'depends' })),
    ...(task.parentTaskId ? [{ from: task.parentTaskId, to: task.id, kind: 'below' } as Edge] : []),
  ])
  return edges.filter((edge) => known.has(edge.from) && known.has(edge.to))
}

/** A column for each task, right of all that it comes after, and a row near those. Pure. */
export function placesOf(ids: string[], edges: Edge[]): Map<string, Place> {
  const before = new Map<string, string[]>(ids.map((id) => [id, []]))
  for (const edge of edges) before.get(edge.to)?.push(edge.from)
  const columns = new Map<string, number>()
  const column = (id: string, path: Set<string>): number => {
    const known = columns.get(id)
    if (known !== undefined) return known
    if (path.has(id)) return 0 // no graph of tasks has a cycle; a broken one must not hang the page
    path.add(id)
    const found = Math.max(-1, ...(before.get(id) ?? []).map((other) => column(other, path))) + 1
    path.delete(id)
    columns.set(id, found)
    return found
  }
  for (const id of ids) column(id, new Set())
  const layers: string[][] = []
  for (const id of ids) {
    const at = columns.get(id) ?? 0
    layers[at] ??= []
    layers[at].push(id)
  }
  const places = new Map<string, Place>()
  for (const [at, layer] of layers.entries()) {
    const weight = (id: string) => {
      const rows = (before.get(id) ?? []).map((other) => places.get(other)?.row ?? 0)
      return rows.length > 0 ? rows.reduce((sum, row) => sum + row, 0) / rows.length : 0
    }
    const sorted = (layer ?? []).map((id) => ({ id, weight: weight(id) })).sort((a, b) => a.weight - b.weight)
    for (const [row, { id }] of sorted.entries()) places.set(id, { column: at, row })
  }
  return places
}
