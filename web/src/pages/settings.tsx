/** Stored configuration, where secrets can be written and not read; one's own sessions; the server. */
import { type FormEvent, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useAgents, useMay, useMe, useNames, useProjects, useSwarms } from '../live/directory'
import { about, refresh, useLive } from '../live/query'
import { Icon } from '../parts/icons'
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
  Table,
  Trouble,
  useAction,
} from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'

const t = text.settings
type Entry = Schema['ConfigEntry']
type Scope = Schema['ConfigScope']

export function Settings() {
  const read = async () => (await must(api.GET('/api/config', { params: { query: { limit: 200 } } }))).entries
  const config = useLive('config', read, about('config'))
  const [editing, setEditing] = useState<Entry | 'new' | null>(null)
  const [removing, setRemoving] = useState<Entry | null>(null)
  const may = useMay()
  const mayWrite = may('config:write')
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        mayWrite && (
          <Button look="main" onClick={() => setEditing('new')}>
            <Icon name="plus" />
            {t.add}
          </Button>
        )
      }
    >
      <div className="flex flex-col gap-4">
        <Panel isFlush>
          <Loaded from={config}>
            {(found) =>
              found.length === 0 ? (
                <Empty title={t.empty}>{t.emptyAbout}</Empty>
              ) : (
                <Table head={[...t.columns]} label={t.title}>
                  {found.map((one) => (
                    <Row
                      key={one.id}
                      entry={one}
                      mayWrite={mayWrite}
                      onReplace={() => setEditing(one)}
                      onRemove={() => setRemoving(one)}
                    />
                  ))}
                </Table>
              )
            }
          </Loaded>
        </Panel>
        <div className="grid items-start gap-4 xl:grid-cols-2">
          <Sessions />
          <Server />
        </div>
      </div>
      {editing && <Edit entry={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
      {removing && <Remove entry={removing} onClose={() => setRemoving(null)} />}
    </Page>
  )
}

type RowProps = { entry: Entry; mayWrite: boolean; onReplace: () => void; onRemove: () => void }

function Row({ entry, mayWrite, onReplace, onRemove }: RowProps) {
  const names = useNames()
  return (
    <tr>
      <td className="font-mono text-xs font-medium">{entry.key}</td>
      <td className="max-w-72 truncate font-mono text-xs">
        {entry.isSecret ? (
          <span className="flex items-center gap-2">
            {t.hidden} <Badge tone="warn">{t.secret}</Badge>
          </span>
        ) : (
          entry.value
        )}
      </td>
      <td>{entry.scope === 'global' ? t.global : `${entry.scope} ${names(entry.scopeId)}`}</td>
      <td>{entry.use}</td>
      <td className="text-soft">
        <Ago at={entry.updatedAt} /> {text.kill.by(actor(entry.updatedBy, names))}
      </td>
      <td>
        {mayWrite && (
          <span className="flex gap-1">
            <Button isSmall onClick={onReplace}>
              {t.replace}
            </Button>
            <Button isSmall look="danger" onClick={onRemove}>
              {t.remove}
            </Button>
          </span>
        )}
      </td>
    </tr>
  )
}

function Edit({ entry, onClose }: { entry: Entry | null; onClose: () => void }) {
  const action = useAction()
  const [scope, setScope] = useState<Scope>(entry?.scope ?? 'global')
  const [isSecret, setSecret] = useState(entry?.isSecret ?? false)
  const lists = { agent: useAgents().data, project: useProjects().data, swarm: useSwarms().data }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const scopeId = scope === 'global' ? null : (entry?.scopeId ?? String(form.get('scopeId')))
    const body = {
      key: entry?.key ?? String(form.get('key')).trim(),
      value: String(form.get('value')),
      scope,
      scopeId,
      isSecret,
    }
    if (await action.run(() => must(api.PUT('/api/config', { body })))) {
      refresh('config')
      onClose()
    }
  }
  const found = scope === 'global' ? null : lists[scope]
  return (
    <Dialog title={entry ? `${t.replace} ${entry.key}` : t.add} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        {!entry && (
          <>
            <Labelled label={t.key}>
              <input name="key" className="field font-mono" autoCapitalize="none" spellCheck={false} required />
            </Labelled>
            <Labelled label={t.scope}>
              <select className="field" value={scope} onChange={(event) => setScope(event.target.value as Scope)}>
                <option value="global">{t.global}</option>
                {Object.keys(lists).map((one) => (
                  <option key={one} value={one}>
                    {one}
                  </option>
                ))}
              </select>
            </Labelled>
            {found && (
              <Labelled label={t.scopeId}>
                <select name="scopeId" className="field" required>
                  {found.map((one) => (
                    <option key={one.id} value={one.id}>
                      {one.name}
                    </option>
                  ))}
                </select>
              </Labelled>
            )}
            <label className="flex items-center gap-2 text-sm">
              <input type="checkbox" checked={isSecret} onChange={(event) => setSecret(event.target.checked)} />
              {t.isSecret}
            </label>
          </>
        )}
        <Labelled label={t.value}>
          {isSecret ? (
            <input name="value" type="password" className="field font-mono" autoComplete="new-password" required />
          ) : (
            <textarea
              name="value"
              rows={2}
              className="field font-mono"
              defaultValue={entry?.value ?? ''}
              spellCheck={false}
            />
          )}
        </Labelled>
        <Trouble error={action.error} />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {text.save}
        </Button>
      </form>
    </Dialog>
  )
}

function Remove({ entry, onClose }: { entry: Entry; onClose: () => void }) {
  const action = useAction()
  const remove = async () => {
    if (await action.run(() => must(api.DELETE('/api/config/{id}', { params: { path: { id: entry.id } } })))) {
      refresh('config')
      onClose()
    }
  }
  return (
    <Dialog title={t.removeTitle(entry.key)} onClose={onClose}>
      <p className="mb-3 text-sm text-soft">{t.removeAbout}</p>
      <Trouble error={action.error} />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{text.cancel}</Button>
        <Button look="danger" disabled={action.isBusy} onClick={() => void remove()}>
          {t.remove}
        </Button>
      </div>
    </Dialog>
  )
}

function Sessions() {
  const { data: me } = useMe()
  const action = useAction()
  const read = async () => (await must(api.GET('/api/auth/sessions', { params: { query: { limit: 100 } } }))).sessions
  const sessions = useLive('sessions', read, about('session'))
  const end = (sessionId: string) =>
    action
      .run(() => must(api.POST('/api/auth/revoke', { body: { sessionId, all: false } })))
      .then(() => refresh('sessions'))
  return (
    <Panel title={t.sessions} isFlush actions={me && <Badge>{`${me.actor} · ${me.role}`}</Badge>}>
      <Loaded from={sessions}>
        {(found) => (
          <Table head={[...t.sessionColumns]} label={t.sessions}>
            {found.map((one) => (
              <tr key={one.id}>
                <td>
                  {one.owner} {one.isCurrent && <Badge tone="accent">{t.thisOne}</Badge>}
                </td>
                <td>{one.address}</td>
                <td className="text-soft">
                  <Ago at={one.createdAt} />
                </td>
                <td className="text-soft">
                  <Ago at={one.refreshedAt} />
                </td>
                <td>
                  {!one.isCurrent && (
                    <Button isSmall onClick={() => void end(one.id)}>
                      {t.endSession}
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        )}
      </Loaded>
      <Trouble error={action.error} />
    </Panel>
  )
}

function Server() {
  const health = useLive(
    'health',
    () => must(api.GET('/health')),
    () => false,
  )
  return (
    <Panel title={t.server}>
      <p className="text-sm">
        {t.version} {health.data?.version} ·{' '}
        <a href="/docs" className="text-accent underline">
          {t.api}
        </a>
      </p>
    </Panel>
  )
}
