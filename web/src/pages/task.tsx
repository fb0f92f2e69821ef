/** A task, whole: what was asked, why it stands where it stands, what was tried, what came of it. */
import type { ReactNode } from 'react'
import { type Attempt, api, gather, must, type TaskDetail } from '../api/client'
import { useNames } from '../live/directory'
import { about, ofTask, useLive } from '../live/query'
import { bytes, compact, instant, money, span } from '../parts/format'
import { Icon } from '../parts/icons'
import { useNow } from '../parts/now'
import { go, Link, useRoute, withQuery } from '../parts/route'
import { Ago, Badge, Empty, Loaded, Page, Panel, Status, Told } from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'
import { ApprovalCard } from './approval-card'
import { Steer, TaskActions } from './task-actions'
import { TranscriptView } from './task-transcript'

const t = text.task
const ENDED = new Set(['completed', 'failed', 'cancelled'])
const path = (id: string) => ({ path: { id } })

export function TaskPage({ id }: { id: string }) {
  const task = useLive(`task ${id}`, () => must(api.GET('/api/tasks/{id}', { params: path(id) })), ofTask(id))
  return <Loaded from={task}>{(found) => <Whole task={found} />}</Loaded>
}

function Whole({ task }: { task: TaskDetail }) {
  const attempts = useLive(`attempts ${task.id}`, () => readAttempts(task.id), ofTask(task.id))
  return (
    <Page
      title={task.title}
      about={
        <span className="flex flex-wrap items-center gap-2">
          <Status of={task.status} />
          {task.progress && !ENDED.has(task.status) && <span className="break-words">{task.progress}</span>}
          <span className="font-mono text-xs text-faint">{task.id}</span>
        </span>
      }
      actions={
        <>
          <Link
            href={`/tasks/${task.id}/graph`}
            className="flex min-h-8.5 items-center gap-1.5 rounded-lg px-2.5 text-sm font-medium text-soft hover:bg-raised hover:text-ink"
          >
            <Icon name="graph" />
            {t.graph}
          </Link>
          <TaskActions task={task} />
        </>
      }
    >
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_21rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <Explained task={task} />
          <Questions taskId={task.id} />
          <Outcome task={task} />
          <Loaded from={attempts}>{(found) => <Attempts task={task} attempts={found} />}</Loaded>
          <Panel title={t.prompt}>
            <pre className="font-sans text-sm leading-relaxed whitespace-pre-wrap break-words">{task.prompt}</pre>
          </Panel>
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Facts task={task} attempts={attempts.data ?? []} />
          <Edges task={task} />
          <Files taskId={task.id} />
          <Messages taskId={task.id} />
        </div>
      </div>
    </Page>
  )
}

const readAttempts = (id: string) =>
  gather(async (cursor) => {
    const query = { limit: 200, cursor }
    const page = await must(api.GET('/api/tasks/{id}/attempts', { params: { ...path(id), query } }))
    return { items: page.attempts, nextCursor: page.nextCursor }
  })

function Explained({ task }: { task: TaskDetail }) {
  const isOver = task.status === 'completed'
  const affects = about('task', 'agent', 'killSwitch', 'swarm', 'budget', 'approval')
  const read = () => must(api.GET('/api/tasks/{id}/explain', { params: path(task.id) }))
  const { data } = useLive(isOver ? null : `explain ${task.id}`, read, affects, { apartMs: 1000 })
  if (!data || data.reasons.length === 0) return null
  return (
    <Panel title={t.explain}>
      <ul className="flex flex-col gap-3 text-sm">
        {data.reasons.slice(0, 20).map((reason) => (
          <li key={reason.code + reason.message} data-reason={reason.code}>
            <p className="font-medium break-words">
              <Told>{reason.message}</Told>
            </p>
            {reason.unblock && (
              <p className="break-words text-soft">
                <span className="text-faint">{t.unblock}:</span> <Told>{reason.unblock}</Told>
              </p>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  )
}

function Questions({ taskId }: { taskId: string }) {
  const read = async () =>
    (await must(api.GET('/api/approvals', { params: { query: { status: 'open', taskId, limit: 50 } } }))).approvals
  const { data } = useLive(
    `approvals of ${taskId}`,
    read,
    (event) => event.type.startsWith('approval.') || event.taskId === taskId,
  )
  return (data ?? []).map((one) => (
    <Panel key={one.id} title={t.questions} isFlush>
      <ApprovalCard approval={one} />
    </Panel>
  ))
}

function Outcome({ task }: { task: TaskDetail }) {
  const { result, failure } = task
  if (result) {
    return (
      <Panel title={t.result}>
        <p className="text-sm leading-relaxed whitespace-pre-wrap break-words">{String(result.text ?? '')}</p>
        {result.data ? (
          <pre className="mt-2 overflow-x-auto rounded-md bg-raised p-2 font-mono text-xs">
            {JSON.stringify(result.data, null, 2)}
          </pre>
        ) : null}
      </Panel>
    )
  }
  if (!failure) return null
  return (
    <Panel title={t.failure}>
      <p className="flex flex-wrap items-center gap-2 text-sm">
        <Badge tone="bad">{String(failure.class ?? '')}</Badge>
        <Badge>{String(failure.code ?? '')}</Badge>
      </p>
      <p className="mt-2 text-sm whitespace-pre-wrap break-words">{String(failure.message ?? '')}</p>
    </Panel>
  )
}

function Attempts({ task, attempts }: { task: TaskDetail; attempts: Attempt[] }) {
  const { query } = useRoute()
  const names = useNames()
  const last = attempts.at(-1)
  const wanted = Number(query.get('attempt')) || last?.number
  const chosen = attempts.find((one) => one.number === wanted) ?? last
  if (!chosen) {
    return (
      <Panel title={t.attempts}>
        <Empty title={t.noAttempts}>{t.noAttemptsAbout}</Empty>
      </Panel>
    )
  }
  return (
    <Panel title={t.attempts} isFlush>
      <ul className="flex gap-1.5 overflow-x-auto border-b border-line p-2">
        {attempts.map((one) => (
          <li key={one.number}>
            <button
              type="button"
              aria-pressed={one === chosen}
              onClick={() => go(withQuery({ attempt: one === last ? null : String(one.number) }), { replace: true })}
              className={`flex flex-col gap-0.5 rounded-lg px-2.5 py-1.5 text-left text-xs whitespace-nowrap ${one === chosen ? 'bg-raised' : 'hover:bg-raised'}`}
            >
              <span className="flex items-center gap-2 font-medium">
                {t.attempt(one.number)} <Status of={one.outcome ?? 'running'} />
              </span>
              <span className="text-faint">
                {names(one.agentId)} · {t.fence(one.fence)} · <Lasted attempt={one} />
              </span>
            </button>
          </li>
        ))}
      </ul>
      {chosen.message && chosen.outcome !== 'completed' && (
        <p className="border-b border-line px-4 py-2 text-sm break-words text-soft">
          {chosen.failureCode && <Badge tone="bad">{chosen.failureCode}</Badge>} {chosen.message}
        </p>
      )}
      <TranscriptView key={chosen.number} taskId={task.id} attempt={chosen.number} />
      {!ENDED.has(task.status) && <Steer task={task} />}
    </Panel>
  )
}

function Lasted({ attempt }: { attempt: Attempt }) {
  const now = useNow()
  const end = attempt.endedAt ? Date.parse(attempt.endedAt) : now
  return span((end - Date.parse(attempt.claimedAt)) / 1000)
}

function Facts({ task, attempts }: { task: TaskDetail; attempts: Attempt[] }) {
  const names = useNames()
  const f = t.fields
  const input = attempts.reduce((sum, one) => sum + one.inputTokens, 0)
  const output = attempts.reduce((sum, one) => sum + one.outputTokens, 0)
  const cost = attempts.reduce((sum, one) => sum + one.costUsd, 0)
  const latest = attempts.at(-1)
  const link = (kind: string, id: string | null) =>
    id && (
      <Link
        href={`/${kind}/${id}`}
        className="text-accent underline decoration-accent/40 underline-offset-2 hover:decoration-accent"
      >
        {names(id)}
      </Link>
    )
  const rows: [string, ReactNode][] = [
    [f.agent, link('agents', task.agentId ?? task.requires.agentId)],
    [f.priority, task.priority],
    [f.project, task.projectId && names(task.projectId)],
    [f.swarm, task.swarmId && names(task.swarmId)],
    [f.harness, task.harness],
    [f.model, task.model],
    [f.tags, task.tags.map((tag) => <Badge key={tag}>{tag}</Badge>)],
    [f.requires, [...task.requires.tags, ...task.requires.capabilities].map((one) => <Badge key={one}>{one}</Badge>)],
    [f.permissions, latest?.permissions || task.permissions],
    [f.cost, attempts.length > 0 && money(cost)],
    [f.tokens, input + output > 0 && `${compact(input)} + ${compact(output)}`],
    [f.branch, latest?.branch && <code className="font-mono text-xs break-all">{latest.branch}</code>],
    [f.commit, latest?.commit && <code className="font-mono text-xs">{latest.commit.slice(0, 12)}</code>],
    [f.created, <Ago key="at" at={task.createdAt} />],
    [f.by, actor(task.createdBy, names)],
    [f.started, task.startedAt && instant(task.startedAt)],
    [f.finished, task.finishedAt && instant(task.finishedAt)],
    [f.deadline, task.deadlineAt && instant(task.deadlineAt)],
    [f.parent, task.parentTaskId && link('tasks', task.parentTaskId)],
    [f.retryOf, task.retryOf && link('tasks', task.retryOf)],
    [f.schedule, task.scheduleId && link('schedules', task.scheduleId)],
  ]
  return (
    <Panel title={t.details}>
      <dl className="grid grid-cols-[6.5rem_minmax(0,1fr)] gap-x-3 gap-y-1.5 text-sm">
        {rows
          .filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value) || value === 0))
          .map(([label, value]) => (
            <div key={label} className="contents">
              <dt className="text-faint">{label}</dt>
              <dd className="flex min-w-0 flex-wrap gap-1 break-words">{value}</dd>
            </div>
          ))}
      </dl>
    </Panel>
  )
}

function Edges({ task }: { task: TaskDetail }) {
  const lists = [
    { label: t.fields.dependsOn, edges: task.dependsOn },
    { label: t.fields.dependants, edges: task.dependants },
  ].filter(({ edges }) => edges.length > 0)
  return lists.map(({ label, edges }) => (
    <Panel key={label} title={label} isFlush>
      <ul className="max-h-72 divide-y divide-line overflow-y-auto">
        {edges.map((edge) => (
          <li key={edge.task}>
            <Link href={`/tasks/${edge.task}`} className="flex items-center gap-2 px-4 py-1.5 text-sm hover:bg-raised">
              <Status of={edge.status} />
              <span className="truncate">{edge.title}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  ))
}

function Files({ taskId }: { taskId: string }) {
  const read = async () =>
    (await must(api.GET('/api/tasks/{id}/attachments', { params: { ...path(taskId), query: { limit: 200 } } })))
      .attachments
  const { data } = useLive(
    `files ${taskId}`,
    read,
    (event) => event.taskId === taskId && event.type === 'task.attached',
  )
  if (!data || data.length === 0) return null
  return (
    <Panel title={t.artifacts} isFlush>
      <ul className="divide-y divide-line text-sm">
        {data.map((file) => (
          <li key={`${file.attempt} ${file.name}`} className="flex items-center gap-2 px-4 py-1.5">
            <button
              type="button"
              className="min-w-0 truncate text-accent underline decoration-accent/40 underline-offset-2 hover:decoration-accent"
              onClick={() => void download(taskId, file.name, file.attempt)}
            >
              {file.name}
            </button>
            <span className="ml-auto text-xs whitespace-nowrap text-faint">
              {bytes(file.bytes)} · {t.attempt(file.attempt)}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  )
}

/** Hand a file to the browser as a download: what an agent made is never shown as a page of ours. */
async function download(taskId: string, name: string, attempt: number): Promise<void> {
  const params = { path: { id: taskId, name }, query: { attempt } }
  const file = await must(api.GET('/api/tasks/{id}/attachments/{name}', { params }))
  const content =
    file.base64 === null ? [file.text ?? ''] : [Uint8Array.from(atob(file.base64), (char) => char.charCodeAt(0))]
  const url = URL.createObjectURL(new Blob(content, { type: 'application/octet-stream' }))
  const anchor = Object.assign(document.createElement('a'), { href: url, download: name })
  anchor.click()
  URL.revokeObjectURL(url)
}

function Messages({ taskId }: { taskId: string }) {
  const names = useNames()
  const read = async () => (await must(api.GET('/api/messages', { params: { query: { taskId, limit: 50 } } }))).messages
  const { data } = useLive(`messages ${taskId}`, read, about('message'))
  if (!data || data.length === 0) return null
  return (
    <Panel title={t.messages} isFlush>
      <ul className="max-h-96 divide-y divide-line overflow-y-auto text-sm">
        {[...data].reverse().map((one) => (
          <li key={one.id} className="px-4 py-2">
            <p className="flex gap-2 text-xs text-faint">
              <span className="font-medium text-soft">{one.senderName || actor(one.sender, names)}</span>
              <Ago at={one.postedAt} />
            </p>
            <p className="whitespace-pre-wrap break-words">{one.text}</p>
          </li>
        ))}
      </ul>
    </Panel>
  )
}
