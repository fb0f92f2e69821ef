/** Caps on what may be spent, and how far each is used. */
import { type FormEvent, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useAgents, useMay, useNames, useProjects, useSwarms } from '../live/directory'
import { refresh } from '../live/query'
import { compact, money } from '../parts/format'
import { Button, Dialog, Empty, Labelled, Loaded, Meter, Panel, Status, Table, Trouble, useAction } from '../parts/ui'
import { text } from '../words/texts'
import { useBudgets } from './overview'

const t = text.costs
type Budget = Schema['Budget']

export function Budgets() {
  const budgets = useBudgets()
  const [editing, setEditing] = useState<Budget | 'new' | null>(null)
  const may = useMay()
  const mayWrite = may('budgets:write')
  return (
    <Panel
      title={t.budgets}
      isFlush
      actions={
        mayWrite && (
          <Button isSmall onClick={() => setEditing('new')}>
            {t.add}
          </Button>
        )
      }
    >
      <Loaded from={budgets}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t.budgetsEmpty} command="agent-swarm budget add --all --usd 50 --per-day">
              {t.budgetsEmptyAbout}
            </Empty>
          ) : (
            <Table head={[...t.budgetColumns]} label={t.budgets}>
              {found.map((one) => (
                <Row key={one.id} budget={one} onEdit={mayWrite ? () => setEditing(one) : null} />
              ))}
            </Table>
          )
        }
      </Loaded>
      {editing && <Edit budget={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
    </Panel>
  )
}

function Row({ budget, onEdit }: { budget: Budget; onEdit: (() => void) | null }) {
  const names = useNames()
  const cap = budget.capUsd === null ? null : budget.capUsd + budget.extraUsd
  const share = cap ? (budget.spentUsd + budget.reservedUsd) / cap : 0
  return (
    <tr>
      <td className="font-medium">{budget.name || text.none}</td>
      <td>{budget.scope === 'all' ? t.everything : `${budget.scope} ${names(budget.scopeId)}`}</td>
      <td className="min-w-28">
        {money(budget.spentUsd)}
        {cap !== null && (
          <Meter
            value={budget.spentUsd}
            of={cap}
            label={budget.name || t.budgets}
            tone={share >= 1 ? 'bad' : share > 0.8 ? 'warn' : 'accent'}
          />
        )}
      </td>
      <td>{money(budget.reservedUsd)}</td>
      <td className="whitespace-nowrap">
        {cap !== null && money(cap)} {budget.capTokens !== null && t.tokens(compact(budget.capTokens))}{' '}
        {budget.period === 'day' && t.perDay}
      </td>
      <td>
        <Status of={budget.status} />
      </td>
      <td>
        {onEdit && (
          <Button isSmall onClick={onEdit}>
            {t.raise}
          </Button>
        )}
      </td>
    </tr>
  )
}

function Edit({ budget, onClose }: { budget: Budget | null; onClose: () => void }) {
  const action = useAction()
  const [scope, setScope] = useState<Budget['scope']>('all')
  const save = async (form: FormData) => {
    const capUsd = Number(form.get('cap'))
    if (budget)
      return must(
        api.PATCH('/api/budgets/{idOrName}', {
          params: { path: { idOrName: budget.id } },
          body: { capUsd, enabled: form.has('enabled') },
        }),
      )
    const scopeId = scope === 'all' ? null : String(form.get('scopeId'))
    const name = String(form.get('name') ?? '').trim() || null
    const body = { scope, scopeId, name, capUsd, period: String(form.get('period')) } as Schema['BudgetInput']
    return must(api.POST('/api/budgets', { body }))
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    if (await action.run(() => save(form))) {
      refresh('budgets')
      onClose()
    }
  }
  return (
    <Dialog title={budget ? t.raise : t.add} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        {!budget && <NewFields scope={scope} onScope={setScope} />}
        <Labelled label={t.cap}>
          <input
            name="cap"
            type="number"
            min={0.01}
            step={0.01}
            className="field"
            defaultValue={budget?.capUsd ?? 20}
            required
          />
        </Labelled>
        {budget && (
          <label className="flex items-center gap-2 text-sm">
            <input type="checkbox" name="enabled" defaultChecked={budget.enabled} />
            {t.switchOn}
          </label>
        )}
        <Trouble error={action.error} />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {budget ? text.save : t.create}
        </Button>
      </form>
    </Dialog>
  )
}

function NewFields({ scope, onScope }: { scope: Budget['scope']; onScope: (scope: Budget['scope']) => void }) {
  const lists = { agent: useAgents().data, project: useProjects().data, swarm: useSwarms().data }
  const found = scope in lists ? lists[scope as keyof typeof lists] : null
  return (
    <>
      <Labelled label={t.name}>
        <input name="name" className="field" />
      </Labelled>
      <Labelled label={t.scope}>
        <select className="field" value={scope} onChange={(event) => onScope(event.target.value as Budget['scope'])}>
          <option value="all">{t.everything}</option>
          {Object.keys(lists).map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </Labelled>
      {found && (
        <Labelled label={t.of}>
          <select name="scopeId" className="field" required>
            {found.map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </Labelled>
      )}
      <Labelled label={t.period}>
        <select name="period" className="field">
          {Object.entries(t.periods).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </Labelled>
    </>
  )
}
