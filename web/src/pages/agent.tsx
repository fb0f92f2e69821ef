/** One agent: what is said of it and to it, what it did, and a way to talk to it. */
import { type FormEvent, type ReactNode, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useMay, useNames } from '../live/directory'
import { about, refresh, useLive } from '../live/query'
import { Link } from '../parts/route'
import {
  Ago,
  Badge,
  Button,
  Dialog,
  Empty,
  Labelled,
  Loaded,
  Page,
  Panel,
  Status,
  Table,
  Trouble,
  useAction,
} from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'

const t = text.agents

export function AgentPage({ id }: { id: string }) {
  const params = { path: { id } }
  const agent = useLive(
    `agent ${id}`,
    () => must(api.GET('/api/agents/{id}', { params })),
    about('agent', 'task', 'swarm'),
  )
  return <Loaded from={agent}>{(found) => <Whole agent={found} />}</Loaded>
}

function Whole({ agent }: { agent: Schema['AgentDetail'] }) {
  const params = { path: { id: agent.id } }
  const profile = useLive(
    `profile ${agent.id}`,
    () => must(api.GET('/api/agents/{id}/profile', { params })),
    about('agent'),
  )
  return (
    <Page
      title={agent.name}
      about={
        <span className="flex flex-wrap items-center gap-2">
          <Status of={agent.status} />
          {agent.isLead && <Badge tone="accent">{t.lead}</Badge>}
          {agent.stopped && <Badge tone="bad">{text.overview.stopped(agent.stopped.reason)}</Badge>}
          {agent.restingUntil && <Badge tone="warn">{text.overview.resting(agent.restingReason ?? '')}</Badge>}
          {text.overview.slots(agent.capacity.current, agent.capacity.max)}
        </span>
      }
      actions={<StopOrStart agent={agent} />}
    >
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-4">
          <MessageBox agent={agent} />
          <History agent={agent} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Facts agent={agent} />
          <Panel title={t.instructions}>
            <p className="text-sm whitespace-pre-wrap break-words text-soft">
              {profile.data?.instructions || t.noInstructions}
            </p>
          </Panel>
          <Versions agentId={agent.id} />
        </div>
      </div>
    </Page>
  )
}

function StopOrStart({ agent }: { agent: Schema['AgentDetail'] }) {
  const [isAsking, setAsking] = useState(false)
  const action = useAction()
  const may = useMay()
  if (!may('agents:write')) return null
  const params = { path: { id: agent.id } }
  const done = () => refresh(`agent ${agent.id}`)
  if (agent.stopped) {
    const start = () => must(api.POST('/api/agents/{id}/start', { params, body: { recursive: false } }))
    return (
      <Button look="main" disabled={action.isBusy} onClick={() => void action.run(start).then(done)}>
        {t.start}
      </Button>
    )
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const body = { reason: String(new FormData(event.currentTarget).get('reason')), recursive: false }
    if (await action.run(() => must(api.POST('/api/agents/{id}/stop', { params, body })))) {
      done()
      setAsking(false)
    }
  }
  return (
    <>
      <Button look="danger" onClick={() => setAsking(true)}>
        {t.stop}
      </Button>
      {isAsking && (
        <Dialog title={t.stopTitle(agent.name)} onClose={() => setAsking(false)}>
          <form onSubmit={submit} className="flex flex-col gap-3">
            <p className="text-sm text-soft">{t.stopAbout}</p>
            <Labelled label={text.kill.reason}>
              <input name="reason" className="field" maxLength={500} />
            </Labelled>
            <Trouble error={action.error} />
            <Button type="submit" look="danger" disabled={action.isBusy}>
              {t.stop}
            </Button>
          </form>
        </Dialog>
      )}
    </>
  )
}

function MessageBox({ agent }: { agent: Schema['AgentDetail'] }) {
  const action = useAction()
  const [isSent, setSent] = useState(false)
  const may = useMay()
  if (!may('messages:write')) return null
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const body = { text: String(new FormData(form).get('text')), to: [agent.id], broadcast: false }
    if (await action.run(() => must(api.POST('/api/messages', { body })))) {
      form.reset()
      setSent(true)
    }
  }
  return (
    <Panel title={t.message}>
      <form onSubmit={submit} className="flex flex-col gap-2">
        <div className="flex gap-2">
          <input
            name="text"
            className="field min-w-0 flex-1"
            aria-label={t.message}
            placeholder={t.messagePlaceholder(agent.name)}
            autoComplete="off"
            required
          />
          <Button type="submit" look="main" disabled={action.isBusy}>
            {text.chat.send}
          </Button>
        </div>
        {isSent && (
          <p role="status" className="text-xs text-soft">
            {t.sent}{' '}
            <Link href={`/chat?agent=${agent.id}`} className="text-accent underline">
              {text.chat.title}
            </Link>
          </p>
        )}
        <Trouble error={action.error} />
      </form>
    </Panel>
  )
}

function History({ agent }: { agent: Schema['AgentDetail'] }) {
  const read = async () =>
    (await must(api.GET('/api/tasks', { params: { query: { agentId: agent.id, limit: 50 } } }))).tasks
  const tasks = useLive(`history ${agent.id}`, read, about('task'), { apartMs: 1000 })
  return (
    <Panel title={t.history} isFlush>
      <Loaded from={tasks}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t.historyEmpty} />
          ) : (
            <ul className="divide-y divide-line text-sm">
              {found.map((task) => (
                <li key={task.id}>
                  <Link href={`/tasks/${task.id}`} className="flex items-center gap-3 px-4 py-2 hover:bg-raised">
                    <Status of={task.status} />
                    <span className="min-w-0 flex-1 truncate">{task.title}</span>
                    <span className="text-xs text-faint">
                      <Ago at={task.updatedAt} />
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  )
}

function Facts({ agent }: { agent: Schema['AgentDetail'] }) {
  const names = useNames()
  const f = t.fields
  const badges = (list: string[]) => list.map((one) => <Badge key={one}>{one}</Badge>)
  const rows: [string, ReactNode][] = [
    [f.role, agent.role || agent.agentRole],
    [f.description, agent.description],
    [text.task.fields.harness, agent.harness],
    [f.skills, badges(agent.skills)],
    [f.tags, badges(agent.tags)],
    [f.capabilities, badges(agent.capabilities)],
    [f.permissions, agent.permissions],
    [f.swarm, agent.swarmId && names(agent.swarmId)],
    [f.parent, agent.parentAgentId && names(agent.parentAgentId)],
    [f.registered, <Ago key="at" at={agent.registeredAt} />],
    [f.seen, <Ago key="at" at={agent.lastSeenAt} />],
  ]
  return (
    <Panel title={t.profile}>
      <dl className="grid grid-cols-[6rem_minmax(0,1fr)] gap-x-3 gap-y-1.5 text-sm">
        {rows
          .filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value)))
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

function Versions({ agentId }: { agentId: string }) {
  const names = useNames()
  const params = { path: { id: agentId }, query: { limit: 20 } }
  const { data } = useLive(
    `versions ${agentId}`,
    async () => (await must(api.GET('/api/agents/{id}/profile/versions', { params }))).versions,
    about('agent'),
  )
  if (!data || data.length === 0) return null
  return (
    <Panel title={t.versions} isFlush>
      <Table head={['', text.task.fields.by, '']} label={t.versions}>
        {data.map((one) => (
          <tr key={one.version}>
            <td>{t.version(one.version)}</td>
            <td>
              {actor(one.author, names)} <span className="text-soft">{one.note}</span>
            </td>
            <td className="text-faint">
              <Ago at={one.madeAt} />
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  )
}
