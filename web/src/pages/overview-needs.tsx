/** What a person has to look at: questions, what was stopped, budgets that ran out, workers that went silent. */
import { api, must } from '../api/client'
import { useAgents } from '../live/directory'
import { about, useLive } from '../live/query'
import { Link } from '../parts/route'
import { readOpen } from '../parts/shell'
import { Ago, Badge, Empty, Panel, type Tone } from '../parts/ui'
import { text } from '../words/texts'
import { useBudgets } from './overview'

const t = text.overview

export type Need = { key: string; href: string; what: string; kind: string; tone: Tone; at: string | null }
const BY_PEOPLE = new Set(['kill', 'person']) // whatever else was paused goes on by itself
const PAUSING = new Set(['task.paused', 'task.killed', 'task.resumed', 'task.cancelled', 'task.failed'])

export function useNeeds(): Need[] {
  const { data: approvals } = useLive('approvals?open', readOpen, about('approval', 'task'))
  const { data: budgets } = useBudgets()
  const { data: agents } = useAgents()
  const { data: paused } = useLive('paused', readPaused, (event) => PAUSING.has(event.type))
  return [
    ...(approvals ?? []).map(
      (one): Need => ({
        key: one.id,
        href: '/approvals',
        what: one.title,
        kind: t.asks,
        tone: 'accent',
        at: one.askedAt,
      }),
    ),
    ...(paused ?? [])
      .filter((one) => BY_PEOPLE.has(one.pauseReason ?? ''))
      .map(
        (one): Need => ({
          key: one.id,
          href: `/tasks/${one.id}`,
          what: one.title,
          kind: t.pausedBy[one.pauseReason ?? ''] ?? t.pausedFor(one.pauseReason ?? ''),
          tone: 'warn',
          at: one.updatedAt,
        }),
      ),
    ...(budgets ?? [])
      .filter((one) => one.status === 'reached' || one.status === 'denied')
      .map(
        (one): Need => ({
          key: one.id,
          href: '/costs',
          what: t.budgetReached(one.name),
          kind: one.status,
          tone: 'bad',
          at: one.reachedAt,
        }),
      ),
    ...(agents ?? [])
      .filter((one) => one.status === 'offline' && one.currentTasks.length > 0)
      .map(
        (one): Need => ({
          key: one.id,
          href: `/agents/${one.id}`,
          what: one.name,
          kind: t.offline,
          tone: 'bad',
          at: one.lastSeenAt,
        }),
      ),
  ]
}

const readPaused = async () =>
  (await must(api.GET('/api/tasks', { params: { query: { status: 'paused', limit: 50 } } }))).tasks

export function Needs({ needs }: { needs: Need[] }) {
  return (
    <Panel title={t.needs} isFlush>
      {needs.length === 0 ? (
        <Empty title={t.needsEmpty}>{t.needsEmptyAbout}</Empty>
      ) : (
        <ul className="divide-y divide-line">
          {needs.slice(0, 12).map((one) => (
            <li key={one.key}>
              <Link href={one.href} className="flex items-center gap-3 px-4 py-2.5 text-sm hover:bg-raised">
                <Badge tone={one.tone}>{one.kind}</Badge>
                <span className="min-w-0 flex-1 truncate font-medium">{one.what}</span>
                <span className="text-xs text-faint">
                  <Ago at={one.at} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  )
}
