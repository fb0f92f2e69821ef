/** Who did what, newest first, and whether the history is whole. */
import { useEffect, useState } from 'react'
import { api, must, type SwarmEvent } from '../api/client'
import { useNames } from '../live/directory'
import { useRecent } from '../live/recent'
import { instant } from '../parts/format'
import { go, useRoute, withQuery } from '../parts/route'
import { Button, Empty, Page, Panel, Table, Trouble, useAction, Waiting } from '../parts/ui'
import { actor, sentence } from '../words/events'
import { text } from '../words/texts'
import { EventSubject } from './overview'

const t = text.audit

export function Audit() {
  const { query } = useRoute()
  const who = query.get('actor') ?? ''
  const types = query.get('types') ?? ''
  const set = (name: string, value: string) => go(withQuery({ [name]: value.trim() || null }), { replace: true })
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        <>
          {(['actor', 'types'] as const).map((name) => (
            <input
              key={name}
              className="field w-48"
              aria-label={t[name]}
              placeholder={t[name]}
              defaultValue={query.get(name) ?? ''}
              onBlur={(event) => set(name, event.target.value)}
              onKeyDown={(event) => event.key === 'Enter' && event.currentTarget.blur()}
            />
          ))}
          <Verify />
        </>
      }
    >
      <Events key={`${who} ${types}`} who={who} types={types} />
    </Page>
  )
}

function Events({ who, types }: { who: string; types: string }) {
  const names = useNames()
  const recent = useRecent()
  const action = useAction()
  const [events, setEvents] = useState<SwarmEvent[] | null>(null)
  const [cursor, setCursor] = useState<string | null>(null)
  const more = (from: string | null, isAnew = false) =>
    action.run(async () => {
      const page = await readPage(who, types, from)
      setEvents((held) => [...((isAnew ? null : held) ?? []), ...page.events])
      setCursor(page.nextCursor)
    })
  // biome-ignore lint/correctness/useExhaustiveDependencies: the first page is read once; another filter is another list
  useEffect(() => void more(null), [])
  const newest = events?.[0]?.seq ?? 0
  const wanted = types ? types.split(',') : []
  const fresh = recent.filter(
    (one) => one.seq > newest && (!who || one.actor === who) && (!types || wanted.includes(one.type)),
  )
  if (!events) return action.error ? <Trouble error={action.error} /> : <Waiting />
  return (
    <Panel isFlush>
      {fresh.length > 0 && (
        <Button look="quiet" className="w-full" onClick={() => void more(null, true)}>
          {t.fresh(fresh.length)}
        </Button>
      )}
      {events.length === 0 ? (
        <Empty title={t.empty} />
      ) : (
        <Table head={[...t.columns]} label={t.title}>
          {events.map((event) => (
            <tr key={event.seq}>
              <td className="text-xs whitespace-nowrap text-soft">{instant(event.at)}</td>
              <td className="font-mono text-xs">{event.type}</td>
              <td>{actor(event.actor, names)}</td>
              <td className="max-w-64 truncate">
                <EventSubject event={event} />
              </td>
              <td className="min-w-64 break-words text-soft">{sentence(event, names)}</td>
            </tr>
          ))}
        </Table>
      )}
      <Trouble error={action.error} />
      {cursor && (
        <Button look="quiet" className="w-full" disabled={action.isBusy} onClick={() => void more(cursor)}>
          {text.more}
        </Button>
      )}
    </Panel>
  )
}

/** A page that is not empty, as long as there is one. */
async function readPage(who: string, types: string, from: string | null) {
  let cursor = from
  for (;;) {
    const query = { actor: who || undefined, types: types || undefined, limit: 100, cursor: cursor ?? undefined }
    const page = await must(api.GET('/api/audit/events', { params: { query } }))
    if (page.events.length > 0 || page.nextCursor === null)
      return page as { events: SwarmEvent[]; nextCursor: string | null }
    cursor = page.nextCursor
  }
}

/** Have the server hash the whole history anew, piece by piece. */
function Verify() {
  const action = useAction()
  const [told, setTold] = useState('')
  const [isWhole, setWhole] = useState(true)
  const verify = () =>
    action.run(async () => {
      let from: number | undefined
      let [events, signed, findings] = [0, 0, 0]
      for (;;) {
        const step = await must(api.GET('/api/audit/verify', { params: { query: { fromSeq: from } } }))
        events += step.toSeq - step.fromSeq + 1
        signed += step.checkpoints
        findings += step.findingCount
        if (step.nextSeq === null) break
        from = step.nextSeq
        setTold(t.checking(step.toSeq, step.headSeq))
      }
      setWhole(findings === 0)
      setTold(findings === 0 ? t.whole(events, signed) : t.broken(findings))
    })
  return (
    <>
      <Button disabled={action.isBusy} onClick={() => void verify()}>
        {t.verify}
      </Button>
      {told && (
        <p role="status" className={`basis-full text-sm ${isWhole ? 'text-ok' : 'font-semibold text-bad'}`}>
          {told}
        </p>
      )}
      <Trouble error={action.error} />
    </>
  )
}
