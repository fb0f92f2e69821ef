/** Who and what there is: agents, projects and swarms, with their names. */
import { useMemo } from 'react'
import { type Agent, api, gather, must, type Schema } from '../api/client'
import { about, type Snapshot, useLive } from './query'

const WORK = new Set([
  'task.claimed',
  'task.started',
  'task.completed',
  'task.failed',
  'task.requeued',
  'task.paused',
  'task.cancelled',
  'task.killed',
])
const agentsOf = about('agent', 'swarm')

export const useAgents = (): Snapshot<Agent[]> =>
  useLive(
    'agents',
    readAgents,
    (event) => agentsOf(event) || WORK.has(event.type) || event.type.startsWith('killSwitch.'),
  )

export const useProjects = (): Snapshot<Schema['Project'][]> => useLive('projects', readProjects, about('project'))

export const useSwarms = (): Snapshot<Schema['Swarm'][]> => useLive('swarms', readSwarms, about('swarm'))

export const useMe = (): Snapshot<Schema['Me']> =>
  useLive('me', () => must(api.GET('/api/auth/me')), about('user', 'session'))

/** Whether whoever is logged in may do what needs a scope; nothing is offered that would be refused. */
export function useMay(): (scope: string) => boolean {
  const { data } = useMe()
  return (scope) => data?.scopes.includes(scope) ?? false
}

/** A function from ids to names; of what is not known it answers the id's end. */
export function useNames(): (id: string | null | undefined) => string {
  const { data: agents } = useAgents()
  const { data: projects } = useProjects()
  const { data: swarms } = useSwarms()
  return useMemo(() => {
    const names = new Map<string, string>()
    for (const one of [...(swarms ?? []), ...(projects ?? []), ...(agents ?? [])]) names.set(one.id, one.name)
    return (id) => (id ? (names.get(id) ?? short(id)) : '')
  }, [agents, projects, swarms])
}

/** The part of an id that tells it from its neighbours. */
export const short = (id: string): string => (id.length === 36 ? id.slice(-8) : id)

async function readAgents(): Promise<Agent[]> {
  return gather(async (cursor) => {
    const page = await must(api.GET('/api/agents', { params: { query: { limit: 200, cursor } } }))
    return { items: page.agents, nextCursor: page.nextCursor }
  })
}

async function readProjects(): Promise<Schema['Project'][]> {
  return gather(async (cursor) => {
    const page = await must(api.GET('/api/projects', { params: { query: { limit: 200, cursor } } }))
    return { items: page.projects, nextCursor: page.nextCursor }
  })
}

async function readSwarms(): Promise<Schema['Swarm'][]> {
  return gather(async (cursor) => {
    const page = await must(api.GET('/api/swarms', { params: { query: { limit: 200, cursor } } }))
    return { items: page.swarms, nextCursor: page.nextCursor }
  })
}
