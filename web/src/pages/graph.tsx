/** What a task hangs together with, drawn from left to right, live. */
import { useMemo } from 'react'
import { type Edge, placesOf, readAround } from '../live/graph'
import { taskAfter } from '../live/moves'
import { useLive } from '../live/query'
import { useRecent } from '../live/recent'
import { Link } from '../parts/route'
import { Empty, Loaded, Page, Panel, Status } from '../parts/ui'
import { text } from '../words/texts'

const t = text.graph
const [WIDTH, HEIGHT, ACROSS, DOWN] = [208, 62, 272, 82]

export function Graph({ id }: { id: string }) {
  const around = useLive(
    `graph ${id}`,
    () => readAround(id),
    (event) => event.type === 'task.created',
    { apartMs: 5000 },
  )
  const recent = useRecent()
  const tasks = useMemo(() => {
    const byId = new Map(around.data?.tasks.map((task) => [task.id, task]))
    for (const event of recent) {
      const task = event.taskId ? byId.get(event.taskId) : undefined
      if (task) byId.set(task.id, { ...task, ...taskAfter(task, event) })
    }
    return [...byId.values()]
  }, [around.data, recent])
  const root = tasks.find((task) => task.id === id)
  return (
    <Page title={root ? `${t.title}: ${root.title}` : t.title} about={t.about}>
      <Panel isFlush>
        <Loaded from={around}>
          {({ edges, isCut }) => (
            <>
              {tasks.length === 1 && <Empty title={t.alone} />}
              <Drawing tasks={tasks} edges={edges} chosen={id} />
              <p className="flex gap-5 border-t border-line px-4 py-2 text-xs text-soft">
                <span>── {t.legendDepends}</span>
                <span>┄┄ {t.legendBelow}</span>
                {isCut && <span className="text-warn">{t.tooMany(tasks.length)}</span>}
              </p>
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  )
}

type DrawingProps = { tasks: { id: string; title: string; status: string }[]; edges: Edge[]; chosen: string }

function Drawing({ tasks, edges, chosen }: DrawingProps) {
  const ids = tasks.map((task) => task.id).sort()
  const key = ids.join(' ')
  // biome-ignore lint/correctness/useExhaustiveDependencies: the ids in one text
  const places = useMemo(() => placesOf(ids, edges), [key, edges])
  const size = [...places.values()].reduce(
    (most, { column, row }) => ({ x: Math.max(most.x, column), y: Math.max(most.y, row) }),
    { x: 0, y: 0 },
  )
  const at = (id: string) => {
    const { column, row } = places.get(id) ?? { column: 0, row: 0 }
    return { x: 16 + column * ACROSS, y: 16 + row * DOWN }
  }
  const width = 32 + size.x * ACROSS + WIDTH
  const height = 32 + size.y * DOWN + HEIGHT
  return (
    <section aria-label={t.label(tasks.length)} tabIndex={0} className="max-h-[75vh] overflow-auto">
      <div className="relative" style={{ width, height }}>
        <svg
          aria-hidden="true"
          width={width}
          height={height}
          className="absolute inset-0 text-faint"
          fill="none"
          stroke="currentColor"
        >
          {edges.map((edge) => {
            const from = at(edge.from)
            const to = at(edge.to)
            const [x, y, endX, endY] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2]
            const path = `M${x} ${y}C${x + 32} ${y} ${endX - 32} ${endY} ${endX - 5} ${endY}M${endX - 5} ${endY}l-5 -4m5 4l-5 4`
            return (
              <path
                key={`${edge.kind} ${edge.from} ${edge.to}`}
                d={path}
                strokeWidth={1.3}
                strokeDasharray={edge.kind === 'below' ? '3 4' : undefined}
              />
            )
          })}
        </svg>
        {tasks.map((task) => {
          const { x, y } = at(task.id)
          return (
            <Link
              key={task.id}
              href={`/tasks/${task.id}`}
              aria-current={task.id === chosen ? 'true' : undefined}
              className={`absolute flex flex-col justify-center gap-1 rounded-lg border bg-surface px-3 shadow-card hover:border-accent ${task.id === chosen ? 'border-accent ring-2 ring-accent/30' : 'border-line'}`}
              style={{ left: x, top: y, width: WIDTH, height: HEIGHT }}
            >
              <span className="truncate text-sm font-medium">{task.title}</span>
              <span>
                <Status of={task.status} />
              </span>
            </Link>
          )
        })}
      </div>
    </section>
  )
}
