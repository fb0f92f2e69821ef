/** The frame around every page, and which page an address shows. */
import { type ReactElement, useEffect, useState, useSyncExternalStore } from 'react'
import { Refused } from './api/refused'
import { session } from './api/session'
import { forgetAll } from './live/query'
import { stream } from './live/stream'
import { AgentPage } from './pages/agent'
import { Agents } from './pages/agents'
import { Approvals } from './pages/approvals'
import { Audit } from './pages/audit'
import { Board } from './pages/board'
import { Chat } from './pages/chat'
import { Costs } from './pages/costs'
import { Graph } from './pages/graph'
import { LogIn } from './pages/login'
import { Overview } from './pages/overview'
import { Projects } from './pages/projects'
import { SchedulePage, Schedules } from './pages/schedules'
import { Settings } from './pages/settings'
import { TaskPage } from './pages/task'
import { Timeline } from './pages/timeline'
import { Link, useRoute } from './parts/route'
import { Shell } from './parts/shell'
import { Empty, Page, Waiting } from './parts/ui'
import { text } from './words/texts'

const PAGES: [RegExp, (id: string) => ReactElement][] = [
  [/^\/$/, () => <Overview />],
  [/^\/board$/, () => <Board />],
  [/^\/tasks\/([^/]+)$/, (id) => <TaskPage key={id} id={id} />],
  [/^\/tasks\/([^/]+)\/graph$/, (id) => <Graph key={id} id={id} />],
  [/^\/timeline$/, () => <Timeline />],
  [/^\/agents$/, () => <Agents />],
  [/^\/agents\/([^/]+)$/, (id) => <AgentPage key={id} id={id} />],
  [/^\/chat$/, () => <Chat />],
  [/^\/approvals$/, () => <Approvals />],
  [/^\/repositories$/, () => <Projects />],
  [/^\/schedules$/, () => <Schedules />],
  [/^\/schedules\/([^/]+)$/, (id) => <SchedulePage key={id} id={id} />],
  [/^\/costs$/, () => <Costs />],
  [/^\/audit$/, () => <Audit />],
  [/^\/settings$/, () => <Settings />],
]

export function App() {
  const isOpen = useSyncExternalStore(session.subscribe, session.isOpen)
  const isTried = useFirstTry()
  useEffect(() => {
    if (!isOpen) return
    stream.start()
    return () => {
      stream.stop()
      forgetAll()
    }
  }, [isOpen])
  if (isOpen) {
    return (
      <Shell>
        <Routed />
      </Shell>
    )
  }
  return isTried ? <LogIn /> : <Waiting />
}

function Routed() {
  const { path } = useRoute()
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(path)
    if (found) return page(decodeURIComponent(found[1] ?? ''))
  }
  return (
    <Page title={text.shell.notFound}>
      <Empty title={text.shell.notFoundAbout} />
      <p className="text-center text-sm">
        <Link href="/" className="text-accent underline">
          {text.shell.toOverview}
        </Link>
      </p>
    </Page>
  )
}

/** Go on with the session that the browser has a cookie for; try again while no server answers. */
function useFirstTry(): boolean {
  const [isTried, setTried] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    const attempt = () =>
      session.refresh().then(
        () => setTried(true),
        (error: unknown) => {
          if (error instanceof Refused && error.isOffline) timer = setTimeout(attempt, 1_000)
          else setTried(true)
        },
      )
    void attempt()
    return () => clearTimeout(timer)
  }, [])
  return isTried
}
