/** What a person can do with a task. */
import { type FormEvent, useState } from 'react'
import { api, must, type Task } from '../api/client'
import { carryOut } from '../live/commands'
import { useMay } from '../live/directory'
import { type Verb, verbsOf } from '../live/moves'
import { go } from '../parts/route'
import { Button, Dialog, Labelled, Trouble, useAction } from '../parts/ui'
import { text } from '../words/texts'

const t = text.task

/** The verbs that are legal now, as buttons; those that end something ask first. */
export function TaskActions({ task }: { task: Task }) {
  const [asked, setAsked] = useState<Verb | null>(null)
  const action = useAction()
  const may = useMay()
  if (!may('tasks:write')) return null
  const tell = (verb: Verb) => {
    if (verb === 'cancel' || verb === 'retry') setAsked(verb)
    else void action.run(() => carryOut(verb, task.id))
  }
  return (
    <>
      {verbsOf(task.status).map((verb) => (
        <Button
          key={verb}
          look={verb === 'cancel' ? 'danger' : 'plain'}
          disabled={action.isBusy}
          onClick={() => tell(verb)}
        >
          {text.verbs[verb]}
        </Button>
      ))}
      {asked && <Confirm verb={asked} task={task} onClose={() => setAsked(null)} />}
      {action.error ? (
        <div className="basis-full">
          <Trouble error={action.error} />
        </div>
      ) : null}
    </>
  )
}

/** Asks before a task is cancelled or filed once more. */
export function Confirm({ verb, task, onClose }: { verb: Verb; task: Task; onClose: () => void }) {
  const action = useAction()
  const isCancel = verb === 'cancel'
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const details = { reason: String(form.get('reason') ?? ''), recursive: form.has('recursive') }
    let made: Task | undefined
    const isDone = await action.run(async () => {
      made = await carryOut(verb, task.id, details)
    })
    if (!isDone) return
    onClose()
    if (!isCancel && made) go(`/tasks/${made.id}`)
  }
  return (
    <Dialog title={isCancel ? text.board.cancelTitle : text.board.retryTitle} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <p className="text-sm break-words text-soft">
          {isCancel ? text.board.cancelAbout(task.title) : text.board.retryAbout(task.title)}
        </p>
        {isCancel && (
          <>
            <Labelled label={t.reason}>
              <input name="reason" className="field" maxLength={500} />
            </Labelled>
            <label className="flex items-center gap-2 text-sm">
              <input type="checkbox" name="recursive" />
              {t.cancelBelow}
            </label>
          </>
        )}
        <Trouble error={action.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button type="submit" look={isCancel ? 'danger' : 'main'} disabled={action.isBusy}>
            {text.verbs[verb]}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Tell whoever works on the task something, in its running session where that takes messages. */
export function Steer({ task }: { task: Task }) {
  const action = useAction()
  const may = useMay()
  if (!may('tasks:write')) return null
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const target = event.currentTarget
    const form = new FormData(target)
    const body = { message: String(form.get('message')), interrupt: form.has('interrupt') }
    const params = { path: { id: task.id } }
    if (await action.run(() => must(api.POST('/api/tasks/{id}/steer', { params, body })))) target.reset()
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-2 border-t border-line p-3">
      <div className="flex gap-2">
        <input
          name="message"
          aria-label={t.steer}
          placeholder={t.steerPlaceholder}
          className="field min-w-0 flex-1"
          autoComplete="off"
          required
        />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {t.steer}
        </Button>
      </div>
      <label className="flex items-center gap-2 text-xs text-soft">
        <input type="checkbox" name="interrupt" />
        {t.steerInterrupt}
      </label>
      <Trouble error={action.error} />
    </form>
  )
}
