/** What runs, what waits and why, what it costs, what needs a person: at a glance. */
import { type ReactNode, useState } from 'react'
import { api, must, type Schema, type SwarmEvent } from '../api/client'
import { useMay, useNames } from '../live/directory'
import { about, useLive } from '../live/query'
import { merged, useRecent } from '../live/recent'
import { useTitles } from '../live/titles'
import { money } from '../parts/format'
import { Icon } from '../parts/icons'
import { useNow } from '../parts/now'
import { Link } from '../parts/route'
import { Ago, Button, Empty, INK, Loaded, Meter, Page, Panel, type Tone, toneOf } from '../parts/ui'
import { actor, sentence } from '../words/events'
import { text } from '../words/texts'
import { FileTask } from './filing'
import { AgentsNow } from './overview-agents'
import { Needs, useNeeds } from './overview-needs'
import { Why } from './overview-why'

const t = text.overview
const HOUR_MS = 3_600_000
export const WAITING = ['pending', 'offered', 'blocked', 'paused'] as const

export const useOverview = () =>
  useLive('overview', () => must(api.GET('/api/overview')), about('task', 'agent', 'killSwitch'))

export function Overview() {
  const overview = useOverview()
  const [isFiling, setFiling] = useState(false)
  const may = useMay()
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        may('tasks:write') && (
          <Button look="main" onClick={() => setFiling(true)}>
            <Icon name="plus" />
            {text.filing.open}
          </Button>
        )
      }
    >
      <Loaded from={overview}>{(found) => <Glance found={found} />}</Loaded>
      {isFiling && <FileTask onClose={() => setFiling(false)} />}
    </Page>
  )
}

function Glance({ found }: { found: Schema['Overview'] }) {
  const ended = useEnded()
  const needs = useNeeds()
  const spent = useSpent()
  const waiting = WAITING.reduce((sum, status) => sum + (found.tasks[status] ?? 0), 0)
  const done = ended.filter((event) => event.type === 'task.completed').length
  const failed = ended.filter((event) => event.type === 'task.failed').length
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-5">
        <Figure
          label={t.running}
          value={(found.tasks.running ?? 0) + (found.tasks.claimed ?? 0)}
          href="/board"
          tone="accent"
        >
          {Object.entries(found.agents)
            .filter(([, count]) => count > 0)
            .map(([status, count]) => `${count} ${status}`)
            .join(' · ')}
        </Figure>
        <Figure label={t.waiting} value={waiting} href="/board">
          {WAITING.filter((status) => found.tasks[status])
            .map((status) => `${found.tasks[status]} ${status}`)
            .join(' · ')}
        </Figure>
        <Figure label={t.doneHour} value={done} href="/timeline">
          <Minutes events={ended} failed={failed} />
        </Figure>
        <Figure label={t.spent} value={spent ? money(spent.usd) : text.none} href="/costs">
          {spent?.cap ? (
            <>
              <Meter
                value={spent.usd}
                of={spent.cap}
                label={t.spent}
                tone={spent.usd >= spent.cap ? 'bad' : 'accent'}
              />
              {t.ofCap(money(spent.cap))}
            </>
          ) : (
            t.noCap
          )}
        </Figure>
        <Figure label={t.needs} value={needs.length} href="/approvals" tone={needs.length > 0 ? 'warn' : 'ink'} />
      </div>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <div className="flex min-w-0 flex-col gap-4">
          <Needs needs={needs} />
          <AgentsNow running={found.running} />
          <Activity />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Queue tasks={found.tasks} />
          <Why />
        </div>
      </div>
    </div>
  )
}

type FigureProps = { label: string; value: ReactNode; href: string; tone?: Tone; children?: ReactNode }

function Figure({ label, value, href, tone = 'ink', children }: FigureProps) {
  return (
    <Link
      href={href}
      className="flex min-h-26 flex-col rounded-xl border border-line bg-surface p-3.5 shadow-card hover:border-accent/50"
    >
      <span className="text-xs font-medium text-soft">{label}</span>
      <span className={`text-2xl font-semibold tracking-tight ${INK[tone]}`}>{value}</span>
      <span className="mt-auto flex flex-col gap-1 pt-1 text-xs text-faint">{children}</span>
    </Link>
  )
}

/** The ends of tasks in the last hour: read once, then as the stream tells them. */
function useEnded(): SwarmEvent[] {
  const recent = useRecent()
  const now = useNow()
  const { data } = useLive('ended', readEnded, () => false)
  const isEnd = (event: SwarmEvent) => event.type === 'task.completed' || event.type === 'task.failed'
  const since = now - HOUR_MS
  return merged(data ?? [], recent.filter(isEnd)).filter((event) => Date.parse(event.at) >= since)
}

async function readEnded(): Promise<SwarmEvent[]> {
  const found: SwarmEvent[] = []
  const query = { types: 'task.completed,task.failed', since: new Date(Date.now() - HOUR_MS).toISOString(), limit: 200 }
  let cursor: string | undefined
  for (let page = 0; page < 10; page++) {
    const { events, nextCursor } = await must(api.GET('/api/audit/events', { params: { query: { ...query, cursor } } }))
    found.push(...(events as SwarmEvent[]))
    if (!nextCursor) break
    cursor = nextCursor
  }
  return found.reverse()
}

/** What ended in each of the last sixty minutes, as small bars. */
function Minutes({ events, failed }: { events: SwarmEvent[]; failed: number }) {
  const now = useNow()
  const bins = Array.from({ length: 60 }, () => 0)
  for (const event of events) {
    const index = 59 - Math.floor((now - Date.parse(event.at)) / 60_000)
    const clipped = Math.min(59, Math.max(0, index))
    bins[clipped] = (bins[clipped] ?? 0) + 1
  }
  const most = Math.max(1, ...bins)
  return (
    <>
      <svg
        role="img"
        aria-label={t.lastHour}
        viewBox="0 0 120 18"
        preserveAspectRatio="none"
        className="h-4.5 w-full text-accent"
      >
        {bins.map((count, minute) => {
          const height = count === 0 ? 1 : Math.max(3, (count / most) * 18)
          return (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: a minute is its place
              key={minute}
              x={minute * 2}
              y={18 - height}
              width={1.4}
              height={height}
              fill="currentColor"
              opacity={count === 0 ? 0.25 : 1}
            />
          )
        })}
      </svg>
      <span className={failed > 0 ? 'text-bad' : ''}>{t.failedHour(failed)}</span>
    </>
  )
}

/** What today has cost, and the cap of everything for a day, where there is one. */
function useSpent(): { usd: number; cap: number | null } | null {
  const { data: report } = useLive('spent-today', readToday, (event) => event.type === 'task.usageBooked', {
    apartMs: 1500,
  })
  const { data: budgets } = useBudgets()
  if (!report) return null
  const caps = (budgets ?? []).filter(
    (one) => one.scope === 'all' && one.period === 'day' && one.enabled && one.capUsd !== null,
  )
  const cap = caps.length > 0 ? Math.min(...caps.map((one) => one.capUsd ?? Number.POSITIVE_INFINITY)) : null
  return { usd: report.rows.reduce((sum, row) => sum + row.costUsd, 0), cap }
}

export const useBudgets = () =>
  useLive(
    'budgets',
    async () => (await must(api.GET('/api/budgets', { params: { query: { limit: 200 } } }))).budgets,
    (event) => event.type.startsWith('budget.') || event.type === 'task.usageBooked',
    { apartMs: 1500 },
  )

function readToday() {
  const midnight = new Date()
  midnight.setHours(0, 0, 0, 0)
  return must(api.GET('/api/reports/costs', { params: { query: { by: 'day', since: midnight.toISOString() } } }))
}

const BAR: Record<Tone, string> = {
  ink: 'bg-ink/70',
  soft: 'bg-faint/60',
  accent: 'bg-accent',
  ok: 'bg-ok',
  warn: 'bg-warn',
  bad: 'bg-bad',
}
const ORDER = [
  'running',
  'claimed',
  'pending',
  'offered',
  'blocked',
  'paused',
  'backlog',
  'completed',
  'failed',
  'cancelled',
]

function Queue({ tasks }: { tasks: Record<string, number> }) {
  const shown = ORDER.filter((status) => tasks[status])
  const total = shown.reduce((sum, status) => sum + (tasks[status] ?? 0), 0)
  if (total === 0) {
    return (
      <Panel title={t.queue}>
        <Empty title={t.queueEmpty} command='agent-swarm task add "echo hello" --wait'>
          {t.queueEmptyAbout}
        </Empty>
      </Panel>
    )
  }
  return (
    <Panel title={t.queue}>
      <div aria-hidden className="mb-3 flex h-2.5 gap-0.5 overflow-hidden rounded-full">
        {shown.map((status) => (
          <div key={status} className={`min-w-1 ${BAR[toneOf(status)]}`} style={{ flexGrow: tasks[status] }} />
        ))}
      </div>
      <ul className="grid grid-cols-2 gap-x-6 gap-y-1 text-sm sm:grid-cols-3">
        {shown.map((status) => (
          <li key={status}>
            <Link href={`/board#${status}`} className="flex items-center gap-2 rounded hover:text-accent">
              <span aria-hidden className={`size-2 rounded-full ${BAR[toneOf(status)]}`} />
              <span className="text-soft">{status}</span>
              <span className="ml-auto font-medium">{(tasks[status] ?? 0).toLocaleString('en-US')}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Activity() {
  const names = useNames()
  const recent = useRecent()
  const first = useLive('activity', readLatest, () => false)
  const shown = merged(first.data ?? [], recent)
    .slice(-14)
    .reverse()
  return (
    <Panel title={t.activity} isFlush>
      <Loaded from={first}>
        {() =>
          shown.length === 0 ? (
            <Empty title={t.activityEmpty} />
          ) : (
            <ol className="divide-y divide-line text-sm">
              {shown.map((event) => (
                <li
                  key={event.seq}
                  className={`${isNew(event) ? 'arrives' : ''} flex items-baseline gap-3 px-4 py-1.5`}
                >
                  <span className="min-w-0 flex-1 truncate" title={event.type}>
                    <EventSubject event={event} /> <span className="text-soft">{sentence(event, names)}</span>
                  </span>
                  <span className="hidden text-xs text-faint sm:inline">{actor(event.actor, names)}</span>
                  <span className="text-xs text-faint">
                    <Ago at={event.at} />
                  </span>
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
    </Panel>
  )
}

const isNew = (event: SwarmEvent) => Date.now() - Date.parse(event.at) < 3_000

/** What an event is about, as a link where there is a page for it. */
export function EventSubject({ event }: { event: SwarmEvent }) {
  const names = useNames()
  const titleOf = useTitles()
  const { kind, id } = event.subject
  const style = 'font-medium text-ink hover:text-accent'
  if (event.taskId) {
    return (
      <Link href={`/tasks/${event.taskId}`} className={style}>
        {titleOf(event.taskId)}
      </Link>
    )
  }
  if (kind === 'agent') {
    return (
      <Link href={`/agents/${id}`} className={style}>
        {names(id)}
      </Link>
    )
  }
  return <span className="font-medium">{kind}</span>
}

async function readLatest(): Promise<SwarmEvent[]> {
  const { events } = await must(api.GET('/api/audit/events', { params: { query: { limit: 20 } } }))
  return (events as SwarmEvent[]).reverse()
}
