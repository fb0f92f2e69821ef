/** The kill switch: always in reach, asked for a reason, and seen from every page while it is on. */
import { type FormEvent, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useAgents, useMay, useNames, useSwarms } from '../live/directory'
import { about, refresh, useLive } from '../live/query'
import { actor } from '../words/events'
import { text } from '../words/texts'
import { Icon } from './icons'
import { Ago, Button, Dialog, Labelled, Trouble, useAction } from './ui'

const t = text.kill
type Switch = Schema['Switch']
type Scope = Schema['KillSwitchInput']['scope']

const useKillSwitch = () =>
  useLive('kill-switch', () => must(api.GET('/api/kill-switch')), about('killSwitch', 'agent'))

export function KillButton() {
  const [isOpen, setOpen] = useState(false)
  const may = useMay()
  if (!may('killSwitch:write')) return null
  return (
    <>
      <Button look="danger" onClick={() => setOpen(true)}>
        <Icon name="stop" />
        {t.open}
      </Button>
      {isOpen && <KillDialog onClose={() => setOpen(false)} />}
    </>
  )
}

function KillDialog({ onClose }: { onClose: () => void }) {
  const action = useAction()
  const { data: swarms } = useSwarms()
  const { data: agents } = useAgents()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const [scope = 'all', id = ''] = String(form.get('scope')).split(' ', 2)
    const body = {
      action: 'activate' as const,
      scope: scope as NonNullable<Scope>,
      id,
      reason: String(form.get('reason')),
      resume: false,
    }
    if (await action.run(() => must(api.POST('/api/kill-switch', { body })))) {
      refresh('kill-switch')
      onClose()
    }
  }
  return (
    <Dialog title={t.title} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <p className="text-sm text-soft">{t.about}</p>
        <Labelled label={t.scope}>
          <select name="scope" className="field">
            <option value="all">{t.all}</option>
            {swarms?.map((one) => (
              <option key={one.id} value={`swarm ${one.id}`}>
                {t.swarm(one.name)}
              </option>
            ))}
            {agents?.map((one) => (
              <option key={one.id} value={`agent ${one.id}`}>
                {t.agent(one.name)}
              </option>
            ))}
          </select>
        </Labelled>
        <Labelled label={t.reason}>
          <input name="reason" className="field" placeholder={t.reasonPlaceholder} maxLength={500} required />
        </Labelled>
        <Trouble error={action.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button type="submit" look="danger" disabled={action.isBusy}>
            <Icon name="stop" />
            {t.confirm}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** One line for each switch that is on. */
export function KillBanner() {
  const { data } = useKillSwitch()
  const killed = data?.switches.filter((one) => one.status === 'killed') ?? []
  return killed.map((one) => <Killed key={`${one.scope} ${one.id}`} found={one} />)
}

function Killed({ found }: { found: Switch }) {
  const [isLifting, setLifting] = useState(false)
  const names = useNames()
  const may = useMay()
  const which = found.id ? ` (${names(found.id)})` : ''
  return (
    <div
      role="alert"
      className="tint-bad flex flex-wrap items-center gap-x-4 gap-y-1.5 border-b border-bad/40 px-4 py-2.5 text-sm text-bad md:px-6"
    >
      <Icon name="stop" className="size-5" />
      <div className="min-w-0 flex-1">
        <strong className="font-semibold">
          {t.scopes[found.scope]}
          {which}
          {found.reason && `: ${found.reason}`}
        </strong>
        <span className="block text-xs">
          {found.by && t.by(actor(found.by, names))} <Ago at={found.since} /> · {t.ended(found.attempts)} ·{' '}
          {found.awaited.length > 0 ? t.awaited(found.awaited.map((one) => one.name).join(', ')) : t.confirmed}
        </span>
      </div>
      {may('killSwitch:admin') && (
        <Button onClick={() => setLifting(true)} className="text-ink">
          {t.lift}
        </Button>
      )}
      {isLifting && <LiftDialog found={found} onClose={() => setLifting(false)} />}
    </div>
  )
}

function LiftDialog({ found, onClose }: { found: Switch; onClose: () => void }) {
  const action = useAction()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const resume = new FormData(event.currentTarget).has('resume')
    const body = { action: 'lift' as const, scope: found.scope, id: found.id ?? '', reason: '', resume }
    if (await action.run(() => must(api.POST('/api/kill-switch', { body })))) {
      refresh('kill-switch')
      onClose()
    }
  }
  return (
    <Dialog title={t.liftTitle} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3 text-ink">
        <p className="text-sm text-soft">{t.liftAbout}</p>
        {found.pausedTasks > 0 && (
          <label className="flex items-center gap-2 text-sm">
            <input type="checkbox" name="resume" defaultChecked />
            {t.resume(found.pausedTasks)}
          </label>
        )}
        <Trouble error={action.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button type="submit" look="main" disabled={action.isBusy}>
            {t.liftConfirm}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
