/** The server's routes with the types of its OpenAPI document, and the token on every request. */
import createClient from 'openapi-fetch'
import { Refused, refusalOf } from './refused'
import type { components, paths } from './schema'
import { session } from './session'

export type Schema = components['schemas']
export type Task = Schema['Task']
export type TaskDetail = Schema['TaskDetail']
export type Agent = Schema['Agent']
export type Attempt = Schema['Attempt']
export type Approval = Schema['Approval']
export type SwarmEvent = Pick<
  Schema['Event'],
  'seq' | 'type' | 'at' | 'actor' | 'subject' | 'taskId' | 'attempt' | 'swarm'
> & {
  data: Record<string, unknown>
}

export const api = createClient<paths>({
  fetch: withToken,
  querySerializer: { array: { style: 'form', explode: false } },
})

async function withToken(request: Request): Promise<Response> {
  const again = request.clone()
  request.headers.set('authorization', `Bearer ${await session.token()}`)
  const answer = await send(request)
  if (answer.status !== 401) return answer
  again.headers.set('authorization', `Bearer ${await session.refresh()}`)
  return send(again)
}

async function send(request: Request): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    if (request.signal.aborted) throw error
    throw new Refused(0, 'offline', 'the server does not answer')
  }
}

/** The answer's body; throws Refused with the server's words where it is none. */
export async function must<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call
  if (!response.ok) throw refusalOf(response.status, error)
  return data as T
}

/** Pages of a list, until its end or until `most` entries. */
export async function gather<T>(
  page: (cursor: string | undefined) => Promise<{ items: T[]; nextCursor: string | null }>,
  most = 1000,
): Promise<T[]> {
  const found: T[] = []
  let cursor: string | null | undefined
  do {
    const { items, nextCursor } = await page(cursor ?? undefined)
    found.push(...items)
    cursor = nextCursor
  } while (cursor && found.length < most)
  return found
}
