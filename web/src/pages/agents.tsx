/** All agents: who works, who is free, who is gone. */
import { useDeferredValue } from 'react'
import type { Agent } from '../api/client'
import { useAgents, useNames } from '../live/directory'
import { go, Link, useRoute, withQuery } from '../parts/route'
import { Ago, Badge, Empty, Loaded, Meter, Page, Panel, Status, Table } from '../parts/ui'
import { text } from '../words/texts'

const t = text.agents

export function Agents() {
  const agents = useAgents()
  const { query } = useRoute()
  const search = query.get('text') ?? ''
  const wanted = useDeferredValue(search.toLowerCase())
  const fits = (agent: Agent) =>
    [agent.name, agent.role, agent.harness, agent.status, ...agent.skills, ...agent.tags].some((one) =>
      one.toLowerCase().includes(wanted),
    )
  return (
    <Page
      title={t.title}
      actions={
        <input
          type="search"
          className="field w-56"
          aria-label={t.search}
          placeholder={t.search}
          value={search}
          onChange={(event) => go(withQuery({ text: event.target.value }), { replace: true })}
        />
      }
    >
      <Panel isFlush>
        <Loaded from={agents}>
          {(found) => {
            const shown = found.filter(fits)
            if (found.length === 0) {
              return (
                <Empty title={t.empty} command={t.command}>
                  {t.emptyAbout}
                </Empty>
              )
            }
            if (shown.length === 0) return <Empty title={t.noMatch} />
            return (
              <Table head={[...t.columns]} label={t.title}>
                {shown.map((agent) => (
                  <Row key={agent.id} agent={agent} />
                ))}
              </Table>
            )
          }}
        </Loaded>
      </Panel>
    </Page>
  )
}

function Row({ agent }: { agent: Agent }) {
  const names = useNames()
  return (
    <tr>
      <td className="font-medium">
        <Link href={`/agents/${agent.id}`} className="hover:text-accent">
          {agent.name}
        </Link>{' '}
        {agent.isLead && <Badge tone="accent">{t.lead}</Badge>}
      </td>
      <td>
        <span className="flex flex-wrap gap-1">
          <Status of={agent.status} />
          {agent.stopped && <Badge tone="bad">{text.overview.stopped(agent.stopped.reason)}</Badge>}
          {agent.restingUntil && <Badge tone="warn">{text.overview.resting(agent.restingReason ?? '')}</Badge>}
        </span>
      </td>
      <td>
        {agent.currentTasks.map((id) => (
          <Link key={id} href={`/tasks/${id}`} className="mr-2 font-mono text-xs hover:text-accent">
            {names(id)}
          </Link>
        ))}
      </td>
      <td className="min-w-28">
        <span className="text-xs text-soft">{text.overview.slots(agent.capacity.current, agent.capacity.max)}</span>
        <Meter value={agent.capacity.current} of={agent.capacity.max} label={t.capacity} />
      </td>
      <td>{agent.harness}</td>
      <td className="max-w-64">
        <span className="flex flex-wrap gap-1">
          {agent.skills.slice(0, 6).map((skill) => (
            <Badge key={skill}>{skill}</Badge>
          ))}
        </span>
      </td>
      <td className="text-soft">
        <Ago at={agent.lastSeenAt} />
      </td>
    </tr>
  )
}
