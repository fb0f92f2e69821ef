/** Tasks by state. A card is dragged, or told by its menu, only where a transition is legal. */
import { type DragEvent, useCallback, useDeferredValue, useMemo, useState, useSyncExternalStore } from 'react'
import type { Task } from '../api/client'
import { Board as BoardStore, type ColumnState } from '../live/board'
import { carryOut } from '../live/commands'
import { useAgents, useMay, useNames, useProjects, useSwarms } from '../live/directory'
import { COLUMN_NAMES, COLUMNS, type Column, type Verb, verbsOf, verbTo } from '../live/moves'
import { go, Link, useRoute, withQuery } from '../parts/route'
import { Badge, Button, Page, Status, Trouble, useAction } from '../parts/ui'
import { VirtualList } from '../parts/virtual'
import { text } from '../words/texts'
import { useOverview } from './overview'
import { Confirm } from './task-actions'

const t = text.board
const ROW = 88
const LOOKS = 5_000 // tasks of a column that a search looks through by itself
type Asked = { verb: Verb; task: Task }

export function Board() {
  const { query } = useRoute()
  const [swarm, agent, project, tag] = ['swarm', 'agent', 'project', 'tag'].map((name) => query.get(name) ?? '') as [
    string,
    string,
    string,
    string,
  ]
  const search = query.get('text') ?? ''
  const store = useMemo(() => new BoardStore({ swarm, agent, project, tag }), [swarm, agent, project, tag])
  const columns = useSyncExternalStore(store.subscribe, store.snapshot)
  const [dragged, setDragged] = useState<Task | null>(null)
  const [asked, setAsked] = useState<Asked | null>(null)
  const { data: overview } = useOverview()
  const action = useAction()
  const isFiltered = Boolean(swarm || agent || project || tag || search)
  const tell = (verb: Verb, task: Task) => {
    if (verb === 'cancel' || verb === 'retry') setAsked({ verb, task })
    else void action.run(() => carryOut(verb, task.id))
  }
  return (
    <Page title={t.title} actions={<Filters search={search} isFiltered={isFiltered} />}>
      <Trouble error={action.error} />
      <div className="flex snap-x gap-3 overflow-x-auto pb-2">
        {COLUMN_NAMES.map((name) => (
          <ColumnView
            key={name}
            name={name}
            column={columns[name]}
            search={search}
            isFiltered={isFiltered}
            count={overview ? COLUMNS[name].reduce((sum, status) => sum + (overview.tasks[status] ?? 0), 0) : null}
            dragged={dragged}
            onMore={() => void store.more(name)}
            onDrag={setDragged}
            onTell={tell}
          />
        ))}
      </div>
      {asked && <Confirm verb={asked.verb} task={asked.task} onClose={() => setAsked(null)} />}
    </Page>
  )
}

function Filters({ search, isFiltered }: { search: string; isFiltered: boolean }) {
  const { query } = useRoute()
  const { data: swarms } = useSwarms()
  const { data: agents } = useAgents()
  const { data: projects } = useProjects()
  const set = (name: string, value: string) => go(withQuery({ [name]: value }), { replace: true })
  const lists = [
    { name: 'swarm', label: t.swarm, found: swarms },
    { name: 'agent', label: t.agent, found: agents },
    { name: 'project', label: t.project, found: projects },
  ]
  return (
    <search className="flex flex-wrap items-center gap-2">
      <input
        type="search"
        className="field w-44"
        aria-label={t.search}
        placeholder={t.search}
        value={search}
        onChange={(event) => set('text', event.target.value)}
      />
      {lists.map(({ name, label, found }) => (
        <select
          key={name}
          className="field max-w-40"
          aria-label={label}
          value={query.get(name) ?? ''}
          onChange={(event) => set(name, event.target.value)}
        >
          <option value="">{label}</option>
          {found?.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
      ))}
      <input
        className="field w-28"
        aria-label={t.tag}
        placeholder={t.tag}
        defaultValue={query.get('tag') ?? ''}
        key={query.get('tag')}
        onBlur={(event) => set('tag', event.target.value.trim())}
        onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
      />
      {isFiltered && (
        <Button look="quiet" onClick={() => go('/board', { replace: true })}>
          {t.clear}
        </Button>
      )}
    </search>
  )
}

type ColumnProps = {
  name: Column
  column: ColumnState
  search: string
  isFiltered: boolean
  count: number | null
  dragged: Task | null
  onMore: () => void
  onDrag: (task: Task | null) => void
  onTell: (verb: Verb, task: Task) => void
}

function ColumnView({ name, column, search, isFiltered, count, dragged, onMore, onDrag, onTell }: ColumnProps) {
  const wanted = useDeferredValue(search.toLowerCase())
  const shown = useMemo(
    () => (wanted ? column.tasks.filter((task) => task.title.toLowerCase().includes(wanted)) : column.tasks),
    [column.tasks, wanted],
  )
  const isSearchedEnough = Boolean(wanted) && column.tasks.length >= LOOKS
  const atEnd = useCallback(() => {
    if (!isSearchedEnough && column.cursor !== null && !column.isReading && !column.error) onMore()
  }, [isSearchedEnough, column.cursor, column.isReading, column.error, onMore])
  const verb = dragged ? verbTo(dragged.status, name) : null
  const drop = (event: DragEvent) => {
    event.preventDefault()
    if (dragged && verb) onTell(verb, dragged)
    onDrag(null)
  }
  const isUnread = column.cursor === null && !column.isWhole && !column.error
  const isNarrow = shown.length === 0 && !dragged
  const look = !dragged ? 'border-line' : verb ? 'border-accent ring-2 ring-accent/40' : 'border-line opacity-60'
  const number =
    isFiltered || count === null ? `${shown.length}${column.cursor ? '+' : ''}` : count.toLocaleString('en-US')
  return (
    <section
      id={name}
      aria-labelledby={`column-${name}`}
      onDragOver={(event) => verb && event.preventDefault()}
      onDrop={drop}
      className={`flex h-[calc(100dvh-11.5rem)] min-h-80 w-[82vw] shrink-0 snap-start flex-col rounded-xl border bg-raised/50 ${isNarrow ? 'sm:w-28' : 'sm:w-auto sm:min-w-44 sm:flex-1'} ${look}`}
    >
      <h2 id={`column-${name}`} className="flex items-center justify-between px-3 py-2 text-sm font-semibold">
        {t.columns[name]}
        <span className="text-xs font-normal text-soft">{number}</span>
      </h2>
      <Trouble error={column.error} />
      {shown.length === 0 && (
        <p className="px-3 py-6 text-center text-xs text-soft">
          {isUnread || column.isReading ? text.reading : isFiltered ? t.noMatch : t.empty}
        </p>
      )}
      <VirtualList
        items={shown}
        rowHeight={ROW}
        keyOf={(task) => task.id}
        onEnd={atEnd}
        label={t.columns[name] ?? name}
        className="flex-1"
      >
        {(task) => <Card task={task} onDrag={onDrag} onTell={onTell} />}
      </VirtualList>
      {isSearchedEnough && column.cursor && (
        <Button look="quiet" isSmall onClick={onMore}>
          {t.older} ({t.looked(column.tasks.length)})
        </Button>
      )}
    </section>
  )
}

function Card({
  task,
  onDrag,
  onTell,
}: {
  task: Task
  onDrag: (task: Task | null) => void
  onTell: (verb: Verb, task: Task) => void
}) {
  const names = useNames()
  const may = useMay()
  const verbs = may('tasks:write') ? verbsOf(task.status) : []
  const start = (event: DragEvent) => {
    event.dataTransfer.setData('text/plain', task.id)
    event.dataTransfer.effectAllowed = 'move'
    onDrag(task)
  }
  return (
    <article
      draggable={verbs.length > 0}
      onDragStart={start}
      onDragEnd={() => onDrag(null)}
      className="mx-1.5 flex h-[82px] flex-col rounded-lg border border-line bg-surface px-2.5 py-1.5 shadow-card"
    >
      <div className="flex items-start gap-1">
        <Link
          href={`/tasks/${task.id}`}
          draggable={false}
          className="line-clamp-2 min-w-0 flex-1 text-sm leading-snug font-medium break-words hover:text-accent"
        >
          {task.title}
        </Link>
        {verbs.length > 0 && (
          <select
            aria-label={t.moveTo(task.title)}
            title={t.move}
            value=""
            onChange={(event) => onTell(event.target.value as Verb, task)}
            className="-mr-1 w-6 cursor-pointer appearance-none rounded bg-transparent text-center text-soft hover:bg-raised"
          >
            <option value="" disabled>
              ⋯
            </option>
            {verbs.map((verb) => (
              <option key={verb} value={verb}>
                {text.verbs[verb]}
              </option>
            ))}
          </select>
        )}
      </div>
      <p className="mt-auto flex min-w-0 items-center gap-1.5 overflow-hidden text-2xs whitespace-nowrap text-soft">
        {(task.status === 'claimed' || task.status === 'offered') && <Status of={task.status} />}
        {task.agentId && <span className="truncate">{names(task.agentId)}</span>}
        {task.status === 'running' && task.progress && <span className="truncate text-faint">{task.progress}</span>}
        {task.openDependencies > 0 && <span>{t.waitsFor(task.openDependencies)}</span>}
        {task.tags.slice(0, 2).map((tag) => (
          <Badge key={tag}>{tag}</Badge>
        ))}
        {task.priority !== 50 && <span title={t.priority(task.priority)}>P{task.priority}</span>}
      </p>
    </article>
  )
}
