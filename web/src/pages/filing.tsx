/** File a task: the prompt, and what little has to be said beside it. */
import { type FormEvent, useState } from 'react'
import { api, must, type Schema } from '../api/client'
import { useAgents, useProjects, useSwarms } from '../live/directory'
import { go } from '../parts/route'
import { Button, Dialog, Labelled, Trouble, useAction } from '../parts/ui'
import { text } from '../words/texts'

const t = text.filing

export function FileTask({ onClose }: { onClose: () => void }) {
  const action = useAction()
  const [key] = useState(() => crypto.getRandomValues(new Uint32Array(4)).join('-')) // the same however often it is sent
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    let made: Schema['Task'] | undefined
    await action.run(async () => {
      made = await must(api.POST('/api/tasks', { body: bodyOf(form), params: { header: { 'Idempotency-Key': key } } }))
    })
    if (made) {
      onClose()
      go(`/tasks/${made.id}`)
    }
  }
  return (
    <Dialog title={t.title} onClose={onClose} isWide>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Labelled label={t.prompt}>
          <textarea name="prompt" rows={7} className="field resize-y" placeholder={t.promptPlaceholder} required />
        </Labelled>
        <div className="grid gap-3 sm:grid-cols-3">
          <Choices />
          <Labelled label={t.harness}>
            <input name="harness" className="field" placeholder={t.harnessPlaceholder} />
          </Labelled>
          <Labelled label={t.priority}>
            <input name="priority" type="number" min={0} max={100} defaultValue={50} className="field" />
          </Labelled>
          <Labelled label={t.tags}>
            <input name="tags" className="field" placeholder={t.tagsPlaceholder} />
          </Labelled>
        </div>
        <label className="flex items-center gap-2 text-sm">
          <input type="checkbox" name="backlog" />
          {t.backlog}
        </label>
        <Trouble error={action.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{text.cancel}</Button>
          <Button type="submit" look="main" disabled={action.isBusy}>
            {t.submit}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Choices() {
  const lists = [
    { name: 'project', label: t.project, none: t.none, found: useProjects().data },
    { name: 'swarm', label: t.swarm, none: t.none, found: useSwarms().data },
    { name: 'agentId', label: t.agent, none: t.any, found: useAgents().data },
  ]
  return lists.map(({ name, label, none, found }) => (
    <Labelled key={name} label={label}>
      <select name={name} className="field">
        <option value="">{none}</option>
        {found?.map((one) => (
          <option key={one.id} value={one.id}>
            {one.name}
          </option>
        ))}
      </select>
    </Labelled>
  ))
}

function bodyOf(form: FormData): Schema['TaskInput'] {
  const said = (name: string) => String(form.get(name) ?? '').trim() || undefined
  const tags = (said('tags') ?? '').split(',').map((tag) => tag.trim())
  return {
    prompt: String(form.get('prompt')),
    project: said('project'),
    swarm: said('swarm'),
    agentId: said('agentId'),
    harness: said('harness'),
    priority: Number(said('priority') ?? 50),
    tags: tags.filter(Boolean),
    backlog: form.has('backlog'),
  } as Schema['TaskInput']
}
