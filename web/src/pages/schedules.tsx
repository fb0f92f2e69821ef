/** Work that the clock starts. */
import { type FormEvent, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useMay } from '../live/directory'
import { about, refresh, useLive } from '../live/query'
import { instant } from '../parts/format'
import { Icon } from '../parts/icons'
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
  Told,
  Trouble,
  useAction,
} from '../parts/ui'
import { text } from '../words/texts'

const t = text.schedules
type Schedule = Schema['Schedule']
const at = (idOrName: string) => ({ params: { path: { idOrName } } })

export function Schedules() {
  const read = async () => (await must(api.GET('/api/schedules', { params: { query: { limit: 200 } } }))).schedules
  const schedules = useLive('schedules', read, about('schedule'))
  const [isAdding, setAdding] = useState(false)
  const may = useMay()
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        may('schedules:write') && (
          <Button look="main" onClick={() => setAdding(true)}>
            <Icon name="plus" />
            {t.add}
          </Button>
        )
      }
    >
      <Panel isFlush>
        <Loaded from={schedules}>
          {(found) =>
            found.length === 0 ? (
              <Empty title={t.empty}>{t.emptyAbout}</Empty>
            ) : (
              <Table head={[...t.columns]} label={t.title}>
                {found.map((one) => (
                  <Row key={one.id} schedule={one} />
                ))}
              </Table>
            )
          }
        </Loaded>
      </Panel>
      {isAdding && <Add onClose={() => setAdding(false)} />}
    </Page>
  )
}

function Row({ schedule }: { schedule: Schedule }) {
  return (
    <tr>
      <td>
        <Link href={`/schedules/${schedule.id}`} className="font-medium hover:text-accent">
          {schedule.name}
        </Link>
        {schedule.description && <p className="text-xs text-soft">{schedule.description}</p>}
      </td>
      <td>{schedule.rule.words}</td>
      <td>
        <Status of={schedule.status} />
        {schedule.failures > 0 && <Badge tone="bad">{t.failures(schedule.failures, schedule.maxFailures)}</Badge>}
      </td>
      <td>
        <Ago at={schedule.nextAt} />
      </td>
      <td className="text-soft">
        <Ago at={schedule.lastRunAt} />
      </td>
      <td>{schedule.started}</td>
      <td>
        <Actions schedule={schedule} />
      </td>
    </tr>
  )
}

function Actions({ schedule }: { schedule: Schedule }) {
  const action = useAction()
  const may = useMay()
  if (!may('schedules:write')) return null
  const tell = (work: () => Promise<unknown>) => void action.run(work).then(() => refresh('schedule'))
  const isPaused = schedule.status === 'paused'
  const turn = isPaused
    ? () => must(api.POST('/api/schedules/{idOrName}/resume', at(schedule.id)))
    : () => must(api.POST('/api/schedules/{idOrName}/pause', at(schedule.id)))
  return (
    <span className="flex gap-1">
      <Button
        isSmall
        disabled={action.isBusy}
        onClick={() => tell(() => must(api.POST('/api/schedules/{idOrName}/run', at(schedule.id))))}
      >
        {t.run}
      </Button>
      {schedule.status !== 'finished' && (
        <Button isSmall disabled={action.isBusy} onClick={() => tell(turn)}>
          {isPaused ? t.resume : t.pause}
        </Button>
      )}
      <Trouble error={action.error} />
    </span>
  )
}

export function SchedulePage({ id }: { id: string }) {
  const schedule = useLive(
    `schedule ${id}`,
    () => must(api.GET('/api/schedules/{idOrName}', at(id))),
    about('schedule'),
  )
  return <Loaded from={schedule}>{(found) => <Whole schedule={found} />}</Loaded>
}

function Whole({ schedule }: { schedule: Schema['ScheduleDetail'] }) {
  const { id } = schedule
  const why = useLive(
    `schedule-why ${id}`,
    () => must(api.GET('/api/schedules/{idOrName}/explain', at(id))),
    about('schedule', 'killSwitch'),
  )
  const next = useLive(
    `schedule-next ${id}`,
    () => must(api.GET('/api/schedules/{idOrName}/next', { params: { path: { idOrName: id }, query: { count: 5 } } })),
    about('schedule'),
  )
  return (
    <Page title={schedule.name} about={schedule.rule.words} actions={<Actions schedule={schedule} />}>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="flex min-w-0 flex-col gap-4">
          {(why.data?.reasons ?? []).length > 0 && (
            <Panel title={text.task.explain}>
              {why.data?.reasons.map((reason) => (
                <p key={reason.message} className="text-sm">
                  <Told>{reason.message}</Told> <span className="block text-soft">{reason.unblock}</span>
                </p>
              ))}
            </Panel>
          )}
          <Runs id={id} />
        </div>
        <Panel title={t.next}>
          <ol className="flex flex-col gap-1 text-sm">
            {next.data?.times.map((time) => (
              <li key={time}>{instant(time)}</li>
            ))}
          </ol>
        </Panel>
      </div>
    </Page>
  )
}

function Runs({ id }: { id: string }) {
  const read = async () =>
    (
      await must(
        api.GET('/api/schedules/{idOrName}/runs', { params: { path: { idOrName: id }, query: { limit: 50 } } }),
      )
    ).runs
  const runs = useLive(`schedule-runs ${id}`, read, about('schedule', 'task'), { apartMs: 1000 })
  return (
    <Panel title={t.runs} isFlush>
      <Loaded from={runs}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t.runsEmpty} />
          ) : (
            <Table head={[...t.runColumns]} label={t.runs}>
              {found.map((run) => (
                <tr key={run.number}>
                  <td>{run.number}</td>
                  <td>{run.plannedAt ? instant(run.plannedAt) : t.run}</td>
                  <td>
                    {run.outcome} {run.message && <span className="text-soft">{run.message}</span>}
                  </td>
                  <td>
                    {run.tasks.map((task) => (
                      <Link
                        key={task.id}
                        href={`/tasks/${task.id}`}
                        className="flex items-center gap-2 hover:text-accent"
                      >
                        <Status of={task.status} /> {task.title}
                      </Link>
                    ))}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Loaded>
    </Panel>
  )
}

function Add({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<'cron' | 'every'>('cron')
  const action = useAction()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const said = (name: string) => String(form.get(name) ?? '').trim()
    const rule =
      kind === 'cron' ? { cron: said('cron'), timeZone: said('zone') } : { everySeconds: Number(said('every')) }
    const harness = said('harness')
    const task = { prompt: said('prompt'), ...(harness ? { harness } : {}) }
    const body = { name: said('name'), ...rule, task } as Schema['ScheduleInput']
    if (await action.run(() => must(api.POST('/api/schedules', { body })))) {
      refresh('schedules')
      onClose()
    }
  }
  return (
    <Dialog title={t.add} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Labelled label={t.name}>
          <input name="name" className="field" required />
        </Labelled>
        <Labelled label={t.kind}>
          <select className="field" value={kind} onChange={(event) => setKind(event.target.value as 'cron' | 'every')}>
            <option value="cron">{t.cron}</option>
            <option value="every">{t.every}</option>
          </select>
        </Labelled>
        {kind === 'cron' ? (
          <div className="grid grid-cols-2 gap-3">
            <Labelled label={t.cron}>
              <input name="cron" className="field" placeholder="0 3 * * *" required />
            </Labelled>
            <Labelled label={t.zone}>
              <input name="zone" className="field" defaultValue={Intl.DateTimeFormat().resolvedOptions().timeZone} />
            </Labelled>
          </div>
        ) : (
          <Labelled label={t.every}>
            <input name="every" type="number" min={1} className="field" defaultValue={3600} required />
          </Labelled>
        )}
        <Labelled label={t.prompt}>
          <textarea name="prompt" rows={4} className="field" required />
        </Labelled>
        <Labelled label={text.filing.harness}>
          <input name="harness" className="field" placeholder={text.filing.harnessPlaceholder} />
        </Labelled>
        <Trouble error={action.error} />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {t.create}
        </Button>
      </form>
    </Dialog>
  )
}
