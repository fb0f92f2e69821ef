/** Why tasks wait: the reasons of the latest ones that do, those of many tasks first. */
import { api, must, type Schema } from '../api/client'
import { about, useLive } from '../live/query'
import { Link } from '../parts/route'
import { Empty, Loaded, Panel, Told } from '../parts/ui'
import { text } from '../words/texts'

const t = text.overview
const LOOKED_AT = 12
type Reason = Schema['Reason'] & { tasks: { id: string; title: string }[] }

export function Why() {
  const why = useLive('why', readReasons, about('task', 'agent', 'killSwitch', 'swarm', 'budget'), { apartMs: 2500 })
  return (
    <Panel title={t.why} isFlush>
      <Loaded from={why}>
        {({ reasons, shown }) =>
          reasons.length === 0 ? (
            <Empty title={t.whyEmpty}>{t.whyEmptyAbout}</Empty>
          ) : (
            <>
              <ul className="divide-y divide-line">
                {reasons.slice(0, 6).map((reason) => (
                  <li key={reason.code + reason.message} className="px-4 py-2.5 text-sm">
                    <p className="font-medium">
                      <Told>{reason.message}</Told>
                    </p>
                    <p className="text-soft">
                      <Told>{reason.unblock}</Told>
                    </p>
                    <p className="truncate text-xs text-faint">
                      {reason.tasks.slice(0, 3).map((task, index) => (
                        <span key={task.id}>
                          {index > 0 && ', '}
                          <Link
                            href={`/tasks/${task.id}`}
                            className="underline decoration-line underline-offset-2 hover:text-accent"
                          >
                            {task.title}
                          </Link>
                        </span>
                      ))}
                      {reason.tasks.length > 3 && ` +${reason.tasks.length - 3}`}
                    </p>
                  </li>
                ))}
              </ul>
              <p className="border-t border-line px-4 py-1.5 text-xs text-faint">{t.whyOf(shown)}</p>
            </>
          )
        }
      </Loaded>
    </Panel>
  )
}

async function readReasons(): Promise<{ reasons: Reason[]; shown: number }> {
  const { waiting } = await must(api.GET('/api/overview'))
  const looked = waiting.slice(0, LOOKED_AT)
  const explained = await Promise.all(
    looked.map((task) =>
      must(api.GET('/api/tasks/{id}/explain', { params: { path: { id: task.id } } })).then(
        (explanation) => ({ task, reasons: explanation.reasons }),
        () => ({ task, reasons: [] }), // it may be gone by now
      ),
    ),
  )
  const byText = new Map<string, Reason>()
  for (const { task, reasons } of explained) {
    const first = reasons[0]
    if (!first) continue
    const same = byText.get(first.message) ?? { ...first, tasks: [] }
    same.tasks.push({ id: task.id, title: task.title })
    byText.set(first.message, same)
  }
  return { reasons: [...byText.values()].sort((a, b) => b.tasks.length - a.tasks.length), shown: looked.length }
}
