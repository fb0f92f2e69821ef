/** Channels and direct messages, with mentions that complete themselves. */
import { type FormEvent, useState } from 'react'
import { type Agent, api, must, type Schema } from '../api/client'
import { useAgents, useMay, useNames } from '../live/directory'
import { about, refresh, useLive } from '../live/query'
import { Link, useRoute } from '../parts/route'
import { Ago, Badge, Button, Dialog, Empty, Labelled, Loaded, Page, Trouble, useAction } from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'
import { MentionField } from './chat-mentions'

const t = text.chat
type Place = { channel: string | null; agent: string | null }

export function Chat() {
  const { query } = useRoute()
  const place = { channel: query.get('channel'), agent: query.get('agent') }
  const { data: agents } = useAgents()
  return (
    <Page title={t.title} actions={<NewChannel />}>
      <div className="grid overflow-hidden rounded-xl border border-line bg-surface shadow-card md:h-[calc(100dvh-10rem)] md:grid-cols-[14rem_minmax(0,1fr)]">
        <Places place={place} agents={agents ?? []} />
        <section
          aria-label={t.title}
          className="flex min-h-96 min-w-0 flex-col border-line max-md:border-t md:border-l"
        >
          <Messages place={place} key={`${place.channel} ${place.agent}`} />
          <Write place={place} agents={agents ?? []} />
        </section>
      </div>
    </Page>
  )
}

const useChannels = () =>
  useLive(
    'channels',
    async () => (await must(api.GET('/api/channels', { params: { query: { limit: 200 } } }))).channels,
    about('channel'),
  )

function Places({ place, agents }: { place: Place; agents: Agent[] }) {
  const { data: channels } = useChannels()
  const lists = [
    {
      label: t.channels,
      entries: (channels ?? []).map((one) => ({
        id: one.name,
        name: `#${one.name}`,
        query: 'channel',
        isHere: place.channel === one.name,
      })),
    },
    {
      label: t.direct,
      entries: agents.map((one) => ({ id: one.id, name: one.name, query: 'agent', isHere: place.agent === one.id })),
    },
  ]
  const look = (isHere: boolean) =>
    `block truncate rounded-lg px-2.5 py-1 text-sm ${isHere ? 'bg-raised font-medium' : 'text-soft hover:bg-raised'}`
  return (
    <nav aria-label={t.channels} className="max-h-56 overflow-y-auto p-2 md:max-h-none">
      <Link
        href="/chat"
        aria-current={!place.channel && !place.agent ? 'page' : undefined}
        className={look(!place.channel && !place.agent)}
      >
        {t.everything}
      </Link>
      {lists.map(({ label, entries }) => (
        <div key={label}>
          <h2 className="px-2.5 pt-3 pb-1 text-xs font-medium text-faint">{label}</h2>
          {entries.map((one) => (
            <Link
              key={one.id}
              href={`/chat?${one.query}=${encodeURIComponent(one.id)}`}
              aria-current={one.isHere ? 'page' : undefined}
              className={look(one.isHere)}
            >
              {one.name}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  )
}

/** The messages of a place, the latest last. */
function Messages({ place }: { place: Place }) {
  const [count, setCount] = useState(50)
  const query = { channel: place.channel ?? undefined, limit: Math.min(200, count) }
  const key = `chat ${place.channel} ${place.agent} ${count}`
  const found = useLive(key, () => readMessages(query, place.agent), about('message'))
  return (
    <Loaded from={found}>
      {(messages) => (
        <div
          role="log"
          aria-label={t.title}
          tabIndex={0}
          className="flex flex-1 flex-col-reverse overflow-y-auto px-4 py-3"
        >
          {messages.length === 0 && <Empty title={t.empty}>{t.emptyAbout}</Empty>}
          {messages.map((one) => (
            <MessageView key={one.id} message={one} isEverywhere={!place.channel && !place.agent} />
          ))}
          {messages.length >= count && count < 200 && (
            <Button look="quiet" isSmall onClick={() => setCount(200)}>
              {t.earlier}
            </Button>
          )}
        </div>
      )}
    </Loaded>
  )
}

async function readMessages(
  query: { channel?: string; limit: number },
  agent: string | null,
): Promise<Schema['ListedMessage'][]> {
  if (!agent) return (await must(api.GET('/api/messages', { params: { query } }))).messages
  const [got, sent] = await Promise.all([
    must(api.GET('/api/messages', { params: { query: { ...query, agentId: agent } } })),
    must(api.GET('/api/messages', { params: { query: { ...query, agentId: agent, sent: true } } })),
  ])
  const byId = new Map([...got.messages, ...sent.messages].map((one) => [one.id, one]))
  return [...byId.values()].sort((a, b) => b.number - a.number)
}

function MessageView({ message, isEverywhere }: { message: Schema['ListedMessage']; isEverywhere: boolean }) {
  const names = useNames()
  const to = message.channel ? `#${message.channel}` : message.to.map((one) => actor(one, names)).join(', ') || t.all
  return (
    <article className="py-1.5 text-sm">
      <p className="flex flex-wrap items-baseline gap-x-2 text-xs text-faint">
        <span className="font-medium text-ink">{message.senderName || actor(message.sender, names)}</span>
        {isEverywhere && (
          <span>
            {t.to} {to}
          </span>
        )}
        <Ago at={message.postedAt} />
        {message.kind === 'steer' && <Badge tone="accent">{text.task.steer}</Badge>}
        {message.taskId && (
          <Link href={`/tasks/${message.taskId}`} className="text-accent underline">
            {t.about}
          </Link>
        )}
      </p>
      <p className="leading-relaxed whitespace-pre-wrap break-words">{marked(message.text)}</p>
    </article>
  )
}

const marked = (said: string) =>
  said.split(/(?<![\w@.])(@[\w-]+)/).map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text that does not change
      <span key={index} className="font-medium text-accent">
        {part}
      </span>
    ) : (
      part
    ),
  )

function Write({ place, agents }: { place: Place; agents: Agent[] }) {
  const names = useNames()
  const may = useMay()
  const action = useAction()
  const [said, setSaid] = useState('')
  const [lost, setLost] = useState('')
  if (!may('messages:write')) return null
  if (!place.channel && !place.agent) return <p className="border-t border-line p-3 text-sm text-soft">{t.pick}</p>
  const where = place.channel ? `#${place.channel}` : names(place.agent)
  const send = async () => {
    if (!said.trim()) return
    const target = place.channel ? { channel: place.channel } : { to: [place.agent ?? ''] }
    await action.run(async () => {
      const posted = await must(api.POST('/api/messages', { body: { text: said, broadcast: false, ...target } }))
      setLost(posted.unresolved.map((one) => one.mention).join(', '))
      setSaid('')
      refresh('chat ')
    })
  }
  return (
    <form
      className="flex flex-col gap-2 border-t border-line p-3"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      <div className="flex items-end gap-2">
        <MentionField
          value={said}
          onChange={setSaid}
          onSend={() => void send()}
          label={t.placeholder(where)}
          agents={agents}
        />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {t.send}
        </Button>
      </div>
      {lost && <p className="text-xs text-warn">{t.unresolved(lost)}</p>}
      <Trouble error={action.error} />
    </form>
  )
}

function NewChannel() {
  const [isOpen, setOpen] = useState(false)
  const action = useAction()
  const may = useMay()
  if (!may('messages:write')) return null
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const body = { name: String(new FormData(event.currentTarget).get('name')), description: '', members: [] }
    if (await action.run(() => must(api.POST('/api/channels', { body })))) {
      refresh('channels')
      setOpen(false)
    }
  }
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t.newChannel}</Button>
      {isOpen && (
        <Dialog title={t.newChannel} onClose={() => setOpen(false)}>
          <form onSubmit={submit} className="flex flex-col gap-3">
            <Labelled label={t.channelName}>
              <input name="name" className="field" required />
            </Labelled>
            <Trouble error={action.error} />
            <Button type="submit" look="main" disabled={action.isBusy}>
              {t.create}
            </Button>
          </form>
        </Dialog>
      )}
    </>
  )
}
