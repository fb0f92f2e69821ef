/** Attempts by agent as bars over time: preparing, running, and how each ended. */
import { useMemo } from 'react'
import { api, must, type SwarmEvent } from '../api/client'
import { useAgents, useNames } from '../live/directory'
import { useLive } from '../live/query'
import { merged, useRecent } from '../live/recent'
import { SPAN_TYPES, type Span, spansOf } from '../live/timeline'
import { useTitles } from '../live/titles'
import { instant, span as spanText } from '../parts/format'
import { useNow } from '../parts/now'
import { go, Link, useRoute, withQuery } from '../parts/route'
import { Empty, Loaded, Page, Panel, Status, toneOf } from '../parts/ui'
import { text } from '../words/texts'

const t = text.timeline
const PAGES = 10
const LANE = 26
const FILL: Record<string, string> = {
  accent: 'bg-accent',
  ok: 'bg-ok',
  warn: 'bg-warn',
  bad: 'bg-bad',
  soft: 'bg-faint',
  ink: 'bg-ink',
}
const SHOWN = ['running', 'completed', 'failed', 'lost', 'paused', 'killed', 'cancelled']

export function Timeline() {
  const seconds = Number(useRoute().query.get('span')) || 3600
  const history = useLive(
    `timeline ${seconds}`,
    () => readHistory(seconds),
    () => false,
  )
  const titleOf = useTitles()
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        <select
          className="field"
          aria-label={t.span}
          value={seconds}
          onChange={(event) => go(withQuery({ span: event.target.value }), { replace: true })}
        >
          {Object.entries(t.spans).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      }
    >
      <Panel isFlush>
        <Loaded from={history}>{(events) => <Chart events={events} seconds={seconds} titleOf={titleOf} />}</Loaded>
      </Panel>
      <p className="mt-3 flex flex-wrap gap-2">
        {SHOWN.map((status) => (
          <Status key={status} of={status} />
        ))}
      </p>
    </Page>
  )
}

async function readHistory(seconds: number): Promise<SwarmEvent[]> {
  const found: SwarmEvent[] = []
  const query = { types: SPAN_TYPES.join(','), since: new Date(Date.now() - seconds * 1000).toISOString(), limit: 200 }
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const { events, nextCursor } = await must(api.GET('/api/audit/events', { params: { query: { ...query, cursor } } }))
    found.push(...(events as SwarmEvent[]))
    if (!nextCursor) break
    cursor = nextCursor
  }
  return found.reverse()
}

type ChartProps = { events: SwarmEvent[]; seconds: number; titleOf: (id: string) => string }

function Chart({ events, seconds, titleOf }: ChartProps) {
  const recent = useRecent()
  const now = useNow()
  const names = useNames()
  const { data: agents } = useAgents()
  const from = now - seconds * 1000
  const spans = useMemo(() => spansOf(merged(events, recent)), [events, recent])
  const shown = spans.filter((one) => (one.endedAt ?? now) >= from)
  if (shown.length === 0) return <Empty title={t.empty}>{t.emptyAbout}</Empty>
  const known = (agents ?? []).map((one) => one.id)
  const ids = [...new Set([...known, ...shown.map((one) => one.agentId)])].filter((id) =>
    shown.some((one) => one.agentId === id),
  )
  return (
    <section aria-label={t.title} tabIndex={0} className="overflow-x-auto">
      <div className="min-w-160">
        <Axis from={from} now={now} />
        {ids.map((id) => (
          <Lanes
            key={id}
            name={names(id)}
            agentId={id}
            spans={shown.filter((one) => one.agentId === id)}
            from={from}
            now={now}
            titleOf={titleOf}
          />
        ))}
      </div>
    </section>
  )
}

function Axis({ from, now }: { from: number; now: number }) {
  const marks = [0, 0.25, 0.5, 0.75]
  return (
    <div aria-hidden className="relative ml-36 h-7 border-b border-line text-2xs text-faint">
      {marks.map((share) => (
        <span key={share} className="absolute top-1.5 border-l border-line pl-1" style={{ left: `${share * 100}%` }}>
          {instant(new Date(from + share * (now - from)).toISOString())}
        </span>
      ))}
    </div>
  )
}

type LanesProps = {
  name: string
  agentId: string
  spans: Span[]
  from: number
  now: number
  titleOf: (id: string) => string
}

/** The attempts of one agent, those at the same time below each other. */
function Lanes({ name, agentId, spans, from, now, titleOf }: LanesProps) {
  const ends: number[] = []
  const apart = (now - from) * 0.012 // short ones are drawn wider than they are
  const placed = [...spans]
    .sort((a, b) => (a.claimedAt ?? 0) - (b.claimedAt ?? 0))
    .map((one) => {
      const start = Math.max(from, one.claimedAt ?? from)
      const free = ends.findIndex((end) => end + apart <= start)
      const lane = free === -1 ? ends.length : free
      ends[lane] = one.endedAt ?? now
      return { one, start, lane }
    })
  const share = (at: number) => `${((at - from) / (now - from)) * 100}%`
  return (
    <div className="flex border-b border-line last:border-b-0">
      <Link
        href={`/agents/${agentId}`}
        className="w-36 shrink-0 truncate px-4 py-2 text-sm font-medium hover:text-accent"
      >
        {name}
      </Link>
      <ul className="relative flex-1" style={{ height: Math.max(1, ends.length) * LANE + 8 }}>
        {placed.map(({ one, start, lane }) => {
          const end = one.endedAt ?? now
          const title = one.attempt > 1 ? `${titleOf(one.taskId)} · ${one.attempt}` : titleOf(one.taskId)
          const outcome = one.endedAt === null ? t.goesOn : one.outcome
          const label = `${t.bar(title, one.attempt, outcome)}, ${spanText((end - start) / 1000)}${one.fence ? `, ${text.task.fence(one.fence)}` : ''}`
          const prepared = one.startedAt ? ((one.startedAt - start) / Math.max(1, end - start)) * 100 : 0
          return (
            <li
              key={one.key}
              className="absolute"
              style={{
                left: share(start),
                width: `max(6px, calc(${share(end)} - ${share(start)}))`,
                top: 4 + lane * LANE,
                height: LANE - 4,
              }}
            >
              <Link
                href={`/tasks/${one.taskId}?attempt=${one.attempt}`}
                aria-label={label}
                title={label}
                className={`relative block h-full overflow-hidden rounded ${FILL[toneOf(one.outcome)]} ${one.outcome === 'lost' ? 'opacity-60' : ''} hover:opacity-80`}
              >
                <span
                  aria-hidden
                  className="absolute inset-y-0 left-0 bg-surface/45"
                  style={{ width: `${Math.max(0, Math.min(100, prepared))}%` }}
                />
                <span
                  aria-hidden
                  className="relative block truncate px-1.5 text-xs leading-[22px] font-medium text-surface"
                >
                  {title}
                </span>
              </Link>
            </li>
          )
        })}
      </ul>
    </div>
  )
}
