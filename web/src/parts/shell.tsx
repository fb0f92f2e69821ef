/** Navigation, the state of the connection, the kill switch: what stands around every page. */
import type { ReactNode } from 'react'
import { useSyncExternalStore } from 'react'
import { api, must } from '../api/client'
import { session } from '../api/session'
import { about, useLive } from '../live/query'
import { stream } from '../live/stream'
import mark from '../mark.svg'
import { text } from '../words/texts'
import { Icon, type IconName } from './icons'
import { KillBanner, KillButton } from './kill'
import { useNow } from './now'
import { Link, useRoute } from './route'
import { chooseTheme, useTheme } from './theme'
import { Badge, Button } from './ui'

const NAV: [string, Exclude<keyof typeof text.nav, 'label'>][] = [
  ['/', 'overview'],
  ['/board', 'board'],
  ['/timeline', 'timeline'],
  ['/agents', 'agents'],
  ['/chat', 'chat'],
  ['/approvals', 'approvals'],
  ['/repositories', 'projects'],
  ['/schedules', 'schedules'],
  ['/costs', 'costs'],
  ['/audit', 'audit'],
  ['/settings', 'settings'],
]

export function Shell({ children }: { children: ReactNode }) {
  return (
    <div className="md:grid md:grid-cols-[12rem_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only z-50 rounded-lg bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:absolute focus:m-2"
      >
        {text.skip}
      </a>
      <Navigation />
      <div className="flex min-h-dvh min-w-0 flex-col">
        <header className="sticky top-0 z-20 flex h-13 items-center gap-2 border-b border-line bg-ground/95 px-4 backdrop-blur md:px-6">
          <Link href="/" className="flex items-center gap-2 font-semibold md:hidden" aria-label={text.product}>
            <img src={mark} alt="" className="size-6" />
          </Link>
          <Connection />
          <div className="ml-auto flex items-center gap-1.5">
            <KillButton />
            <ThemeButton />
            <Button
              look="quiet"
              onClick={() => void session.logOut()}
              aria-label={text.shell.logOut}
              title={text.shell.logOut}
            >
              <Icon name="leave" />
            </Button>
          </div>
        </header>
        <KillBanner />
        <main
          id="content"
          tabIndex={-1}
          className="mx-auto w-full max-w-[110rem] flex-1 px-4 py-5 outline-none md:px-6"
        >
          {children}
        </main>
      </div>
    </div>
  )
}

function Navigation() {
  const { path } = useRoute()
  const { data } = useLive('approvals?open', readOpen, about('approval', 'task'))
  const isHere = (href: string) =>
    href === '/' ? path === '/' : path.startsWith(href) || (href === '/board' && path.startsWith('/tasks'))
  return (
    <nav
      aria-label={text.nav.label}
      className="border-b border-line bg-surface md:sticky md:top-0 md:h-dvh md:overflow-y-auto md:border-r md:border-b-0"
    >
      <Link href="/" className="hidden items-center gap-2.5 px-4 py-3.5 font-semibold tracking-tight md:flex">
        <img src={mark} alt="" className="size-6" />
        {text.product}
      </Link>
      <ul className="flex gap-0.5 overflow-x-auto px-2 py-1.5 md:flex-col md:py-1">
        {NAV.map(([href, name]) => (
          <li key={href}>
            <Link
              href={href}
              aria-current={isHere(href) ? 'page' : undefined}
              className={`flex items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm whitespace-nowrap ${
                isHere(href) ? 'bg-raised font-medium text-ink' : 'text-soft hover:bg-raised hover:text-ink'
              }`}
            >
              <Icon name={name as IconName} />
              {text.nav[name]}
              {name === 'approvals' && data ? <Badge tone="accent">{data.length}</Badge> : null}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** The approvals that wait for an answer. */
export const readOpen = async () =>
  (await must(api.GET('/api/approvals', { params: { query: { status: 'open', limit: 200 } } }))).approvals

function Connection() {
  const state = useSyncExternalStore(stream.watch, () => stream.state)
  const now = useNow()
  if (state.phase === 'lost') {
    return (
      <span role="status" title={text.shell.lostAbout}>
        <Badge tone="bad">{text.shell.lost}</Badge>
      </span>
    )
  }
  const isBack = state.phase === 'live' && state.missed > 0 && now - state.backAt < 20_000
  return (
    <span role="status" className="flex items-center gap-2">
      <Badge tone={state.phase === 'live' ? 'ok' : 'soft'}>
        <span aria-hidden className="size-1.5 rounded-full bg-current" />
        {state.phase === 'live' ? text.shell.live : text.shell.connecting}
      </Badge>
      {isBack && (
        <Link href="/audit">
          <Badge tone="accent">{text.shell.caughtUp(state.missed)}</Badge>
        </Link>
      )}
    </span>
  )
}

function ThemeButton() {
  const theme = useTheme()
  const label = theme === 'dark' ? text.shell.toLight : text.shell.toDark
  return (
    <Button
      look="quiet"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(theme === 'dark' ? 'light' : 'dark')}
    >
      <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
    </Button>
  )
}
