/** Every agent with what it does now, the busy ones first. */
import type { Agent, Task } from '../api/client'
import { useAgents } from '../live/directory'
import { Link } from '../parts/route'
import { Ago, Badge, Empty, Loaded, Meter, Panel, Status } from '../parts/ui'
import { text } from '../words/texts'

const t = text.overview
const RANK: Record<string, number> = { busy: 0, idle: 1, offline: 2 }
const SHOWN = 24

export function AgentsNow({ running }: { running: Task[] }) {
  const agents = useAgents()
  return (
    <Panel title={t.agents} isFlush>
      <Loaded from={agents}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t.agentsEmpty} command={t.agentsCommand}>
              {t.agentsEmptyAbout}
            </Empty>
          ) : (
            <ul className="divide-y divide-line">
              {[...found]
                .sort((a, b) => (RANK[a.status] ?? 3) - (RANK[b.status] ?? 3) || a.name.localeCompare(b.name))
                .slice(0, SHOWN)
                .map((agent) => (
                  <AgentRow key={agent.id} agent={agent} tasks={running.filter((task) => task.agentId === agent.id)} />
                ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  )
}

function AgentRow({ agent, tasks }: { agent: Agent; tasks: Task[] }) {
  return (
    <li className="grid gap-x-4 gap-y-1 px-4 py-2.5 text-sm sm:grid-cols-[11rem_minmax(0,1fr)_7rem]">
      <div className="flex min-w-0 items-center gap-2">
        <Status of={agent.status} />
        <Link href={`/agents/${agent.id}`} className="truncate font-medium hover:text-accent">
          {agent.name}
        </Link>
      </div>
      <div className="min-w-0">
        <Notes agent={agent} />
        {tasks.map((task) => (
          <Link key={task.id} href={`/tasks/${task.id}`} className="group block truncate">
            <span className="group-hover:text-accent">{task.title}</span>
            {task.progress && <span className="text-soft"> · {task.progress}</span>}
            {task.attempt > 1 && <span className="text-xs text-faint"> · {t.attempt(task.attempt)}</span>}
          </Link>
        ))}
        {tasks.length === 0 && (
          <span className="text-faint">{agent.status === 'offline' ? <SeenAt agent={agent} /> : t.free}</span>
        )}
      </div>
      <div className="flex flex-col justify-center gap-1 text-xs text-faint">
        {t.slots(agent.capacity.current, agent.capacity.max)}
        <Meter
          value={agent.capacity.current}
          of={agent.capacity.max}
          label={t.slots(agent.capacity.current, agent.capacity.max)}
        />
      </div>
    </li>
  )
}

const SeenAt = ({ agent }: { agent: Agent }) => (
  <>
    {t.seen} <Ago at={agent.lastSeenAt} />
  </>
)

function Notes({ agent }: { agent: Agent }) {
  if (agent.stopped) return <Badge tone="bad">{t.stopped(agent.stopped.reason)}</Badge>
  if (agent.restingUntil) return <Badge tone="warn">{t.resting(agent.restingReason ?? '')}</Badge>
  return null
}
