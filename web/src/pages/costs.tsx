/** What work has cost, by day and by whom, and what may be spent. */
import { api, must, type Schema } from '../api/client'
import { useNames } from '../live/directory'
import { useLive } from '../live/query'
import { compact, money } from '../parts/format'
import { go, Link, useRoute, withQuery } from '../parts/route'
import { Empty, Loaded, Page, Panel, Table } from '../parts/ui'
import { text } from '../words/texts'
import { Budgets } from './costs-budgets'

const t = text.costs
type By = Schema['CostBy']
const BOOKED = (event: { type: string }) => event.type === 'task.usageBooked'
const DAY_MS = 86_400_000

export function Costs() {
  const { query } = useRoute()
  const by = (query.get('by') ?? 'agent') as By
  const days = query.get('days') ?? '7'
  const since = sinceOf(Number(days))
  const report = useLive(
    `costs ${by} ${days}`,
    () => must(api.GET('/api/reports/costs', { params: { query: { by, since, limit: 100 } } })),
    BOOKED,
    { apartMs: 2000 },
  )
  const choose = (name: string, value: string) => go(withQuery({ [name]: value }), { replace: true })
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        <>
          <select
            className="field"
            aria-label={t.since}
            value={days}
            onChange={(event) => choose('days', event.target.value)}
          >
            {Object.entries(t.sinces).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
          <select className="field" aria-label={t.by} value={by} onChange={(event) => choose('by', event.target.value)}>
            {Object.entries(t.kinds).map(([value, label]) => (
              <option key={value} value={value}>
                {t.by} {label}
              </option>
            ))}
          </select>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Days days={Math.max(7, Number(days) || 30)} />
        <Panel isFlush title={`${t.by} ${t.kinds[by] ?? by}`}>
          <Loaded from={report}>{(found) => <Rows rows={found.rows} by={by} />}</Loaded>
        </Panel>
        <Budgets />
      </div>
    </Page>
  )
}

/** Midnight UTC, so many days back; everything for 0. */
function sinceOf(days: number): string | undefined {
  if (days === 0) return undefined
  const midnight = Math.floor(Date.now() / DAY_MS) * DAY_MS
  return new Date(midnight - (days - 1) * DAY_MS).toISOString()
}

function Rows({ rows, by }: { rows: Schema['CostRow'][]; by: By }) {
  const names = useNames()
  if (rows.length === 0) return <Empty title={t.empty}>{t.emptyAbout}</Empty>
  const most = Math.max(...rows.map((row) => row.costUsd), 0.000_001)
  const total = rows.reduce((sum, row) => sum + row.costUsd, 0)
  return (
    <Table head={[...t.columns]} label={t.title}>
      {rows.map((row) => (
        <tr key={row.key ?? ''}>
          <td className="min-w-48">
            <Name row={row} by={by} label={row.name ?? (row.key ? names(row.key) : t.noUsage)} />
            <div
              aria-hidden
              className="mt-1 h-1 rounded-full bg-accent"
              style={{ width: `${(row.costUsd / most) * 100}%` }}
            />
          </td>
          <td className="font-medium">{money(row.costUsd)}</td>
          <td>{money(row.reservedUsd)}</td>
          <td>{row.refused}</td>
          <td>{compact(row.inputTokens)}</td>
          <td>{compact(row.outputTokens)}</td>
          <td>{row.attempts}</td>
        </tr>
      ))}
      <tr className="font-semibold">
        <td>{t.total}</td>
        <td>{money(total)}</td>
        <td colSpan={5} />
      </tr>
    </Table>
  )
}

function Name({ row, by, label }: { row: Schema['CostRow']; by: By; label: string }) {
  const place = by === 'agent' ? 'agents' : by === 'root' || by === 'task' ? 'tasks' : null
  if (!place || !row.key) return label
  return (
    <Link href={`/${place}/${row.key}`} className="hover:text-accent">
      {label}
    </Link>
  )
}

/** Dollars by day as bars, each with its day and sum for those who do not see them. */
function Days({ days }: { days: number }) {
  const since = sinceOf(days)
  const found = useLive(
    `costs-days ${days}`,
    () => must(api.GET('/api/reports/costs', { params: { query: { by: 'day', since, limit: 200 } } })),
    BOOKED,
    { apartMs: 2000 },
  )
  return (
    <Panel title={t.days}>
      <Loaded from={found}>{({ rows }) => <Bars rows={rows} days={days} />}</Loaded>
    </Panel>
  )
}

function Bars({ rows, days }: { rows: Schema['CostRow'][]; days: number }) {
  const byDay = new Map(rows.map((row) => [row.key ?? '', row.costUsd]))
  const today = Math.floor(Date.now() / DAY_MS)
  const shown = Array.from({ length: days }, (_, index) =>
    new Date((today - days + 1 + index) * DAY_MS).toISOString().slice(0, 10),
  )
  const most = Math.max(0.01, ...shown.map((day) => byDay.get(day) ?? 0))
  return (
    <ol aria-label={t.daysLabel(shown[0] ?? '', shown.at(-1) ?? '')} className="flex h-36 items-end gap-1">
      {shown.map((day, index) => {
        const usd = byDay.get(day) ?? 0
        const isNamed = days <= 10 || index % 5 === 4 || index === days - 1
        return (
          <li
            key={day}
            title={`${day}: ${money(usd)}`}
            className="flex h-full min-w-0 flex-1 flex-col justify-end gap-1 text-center text-2xs text-faint"
          >
            <span className="sr-only">{`${day}: ${money(usd)}`}</span>
            <span aria-hidden className="h-4">
              {usd > 0 && days <= 10 ? money(usd) : ''}
            </span>
            <span
              aria-hidden
              className={`min-h-0.5 rounded-t ${usd > 0 ? 'bg-accent' : 'bg-line'}`}
              style={{ height: `${(usd / most) * 70}%` }}
            />
            <span aria-hidden className="h-4 whitespace-nowrap">
              {isNamed ? day.slice(5) : ''}
            </span>
          </li>
        )
      })}
    </ol>
  )
}
