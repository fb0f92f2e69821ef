/**
 * Who is logged in. The access token lives in memory; the refresh token is a cookie that no script can read.
 *
 * A refresh token is good once, and a second use ends the session, so tabs take turns by a lock of the browser.
 */
import { Refused, refusalOf } from './refused'

type TokenReply = { accessToken: string; expiresIn: number; role: string }
export type Login = { username: string; password: string } | { apiKey: string }

let token: string | null = null
let freshUntil = 0
let underWay: Promise<string> | null = null
const listeners = new Set<() => void>()
const EARLY_MS = 60_000

export const session = {
  /** Whether a token is at hand; false until somebody has logged in. */
  isOpen: () => token !== null,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  logIn: (login: Login) => ask({ ...login, cookie: true }),
  /** A token that is good for a while yet; refreshed where it is not. Throws Refused where nobody is logged in. */
  async token(): Promise<string> {
    if (token !== null && Date.now() < freshUntil) return token
    return session.refresh()
  },
  /** The next pair, by the cookie; many callers at once cause one request. */
  refresh(): Promise<string> {
    underWay ??= alone(() => ask({ cookie: true })).finally(() => {
      underWay = null
    })
    return underWay
  },
  async logOut(): Promise<void> {
    const held = token
    forget()
    if (held) await fetch('/api/auth/revoke', { method: 'POST', headers: { authorization: `Bearer ${held}` } })
  },
}

function forget(): void {
  token = null
  freshUntil = 0
  for (const listener of listeners) listener()
}

async function ask(body: object): Promise<string> {
  let answer: Response
  try {
    answer = await fetch('/api/auth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  } catch {
    throw new Refused(0, 'offline', 'the server does not answer')
  }
  const reply = await answer.json().catch(() => undefined)
  if (!answer.ok) {
    if (answer.status === 400 || answer.status === 401) forget()
    throw refusalOf(answer.status, reply)
  }
  const { accessToken, expiresIn } = reply as TokenReply
  token = accessToken
  freshUntil = Date.now() + Math.max(5_000, expiresIn * 1000 - EARLY_MS)
  for (const listener of listeners) listener()
  return accessToken
}

/** One tab at a time, where the browser has locks (it has none on plain http of other hosts). */
async function alone(work: () => Promise<string>): Promise<string> {
  if (!navigator.locks) return work()
  return navigator.locks.request('agent-swarm-refresh', work)
}
