/** The repositories that tasks work on. */
import { type FormEvent, useState } from 'react'
import { api, must } from '../api/client'
import { useMay, useProjects } from '../live/directory'
import { refresh } from '../live/query'
import { Icon } from '../parts/icons'
import { Link } from '../parts/route'
import { Ago, Button, Dialog, Empty, Labelled, Loaded, Page, Panel, Table, Trouble, useAction } from '../parts/ui'
import { text } from '../words/texts'

const t = text.projects

export function Projects() {
  const projects = useProjects()
  const [isAdding, setAdding] = useState(false)
  const may = useMay()
  return (
    <Page
      title={t.title}
      about={t.about}
      actions={
        may('projects:write') && (
          <Button look="main" onClick={() => setAdding(true)}>
            <Icon name="plus" />
            {t.add}
          </Button>
        )
      }
    >
      <Panel isFlush>
        <Loaded from={projects}>
          {(found) =>
            found.length === 0 ? (
              <Empty title={t.empty} command="agent-swarm repo add .">
                {t.emptyAbout}
              </Empty>
            ) : (
              <Table head={[...t.columns]} label={t.title}>
                {found.map((one) => (
                  <tr key={one.id}>
                    <td className="font-medium">{one.name}</td>
                    <td className="max-w-md font-mono text-xs break-all">{one.repoUrl}</td>
                    <td>{one.defaultBranch || text.none}</td>
                    <td className="text-soft">
                      <Ago at={one.createdAt} />
                    </td>
                    <td>
                      <Link href={`/board?project=${one.id}`} className="text-accent underline">
                        {t.tasks}
                      </Link>
                    </td>
                  </tr>
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

function Add({ onClose }: { onClose: () => void }) {
  const action = useAction()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const said = (name: string) => String(form.get(name) ?? '').trim()
    const body = { name: said('name'), repoUrl: said('repo'), defaultBranch: said('branch') }
    if (await action.run(() => must(api.POST('/api/projects', { body })))) {
      refresh('projects')
      onClose()
    }
  }
  return (
    <Dialog title={t.add} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-3">
        <Labelled label={t.name}>
          <input name="name" className="field" required />
        </Labelled>
        <Labelled label={t.repo}>
          <input name="repo" className="field" required />
        </Labelled>
        <Labelled label={t.branch}>
          <input name="branch" className="field" placeholder={t.branchPlaceholder} />
        </Labelled>
        <Trouble error={action.error} />
        <Button type="submit" look="main" disabled={action.isBusy}>
          {t.add}
        </Button>
      </form>
    </Dialog>
  )
}
