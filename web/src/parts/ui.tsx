/** The few building blocks that all pages are made of. */
import { type ButtonHTMLAttributes, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { Refused } from '../api/refused'
import { text } from '../words/texts'
import { ago, instant } from './format'
import { useNow } from './now'
import { Link } from './route'

export type Tone = 'ink' | 'soft' | 'accent' | 'ok' | 'warn' | 'bad'

const FILLED: Record<Tone, string> = {
  ink: 'bg-raised text-ink',
  soft: 'bg-raised text-soft',
  accent: 'tint-accent text-accent',
  ok: 'tint-ok text-ok',
  warn: 'tint-warn text-warn',
  bad: 'tint-bad text-bad',
}
export const INK: Record<Tone, string> = {
  ink: 'text-ink',
  soft: 'text-soft',
  accent: 'text-accent',
  ok: 'text-ok',
  warn: 'text-warn',
  bad: 'text-bad',
}

export function Badge({ tone = 'soft', children, title }: { tone?: Tone; children: ReactNode; title?: string }) {
  return (
    <span
      title={title}
      className={`inline-flex max-w-full items-center gap-1 rounded-md px-1.5 py-0.5 text-2xs font-medium ${FILLED[tone]}`}
    >
      {children}
    </span>
  )
}

const STATUS_TONES: Record<string, Tone> = {
  backlog: 'soft',
  blocked: 'warn',
  pending: 'ink',
  offered: 'ink',
  claimed: 'accent',
  running: 'accent',
  paused: 'warn',
  completed: 'ok',
  failed: 'bad',
  cancelled: 'soft',
  lost: 'warn',
  released: 'soft',
  killed: 'bad',
  idle: 'soft',
  busy: 'accent',
  offline: 'warn',
  open: 'accent',
  answered: 'ok',
  denied: 'bad',
  expired: 'warn',
  closed: 'soft',
  active: 'ok',
  finished: 'soft',
  full: 'warn',
  reached: 'bad',
  waived: 'soft',
  off: 'soft',
}
const MOVES = new Set(['running', 'claimed', 'busy'])

export const toneOf = (status: string): Tone => STATUS_TONES[status] ?? 'soft'

/** A status in its colour, and with a word: colour alone says nothing to many people. */
export function Status({ of }: { of: string }) {
  return (
    <Badge tone={toneOf(of)}>
      <span
        aria-hidden
        className={`size-1.5 rounded-full bg-current ${MOVES.has(of) ? 'motion-safe:animate-pulse' : ''}`}
      />
      {of}
    </Badge>
  )
}

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  look?: 'plain' | 'main' | 'danger' | 'quiet'
  isSmall?: boolean
}
const LOOKS = {
  plain: 'border border-line bg-surface text-ink hover:bg-raised',
  main: 'border border-transparent bg-accent text-on-accent hover:opacity-90',
  danger: 'border border-bad/50 bg-surface text-bad hover:tint-bad',
  quiet: 'border border-transparent text-soft hover:bg-raised hover:text-ink',
}

export function Button({ look = 'plain', isSmall = false, className = '', type = 'button', ...rest }: ButtonProps) {
  const size = isSmall ? 'min-h-7 px-2 py-0.5 text-xs' : 'min-h-8.5 px-3 py-1 text-sm'
  return (
    <button
      type={type}
      className={`inline-flex items-center justify-center gap-1.5 whitespace-nowrap rounded-lg font-medium disabled:cursor-default disabled:opacity-60 ${size} ${LOOKS[look]} ${className}`}
      {...rest}
    />
  )
}

type PanelProps = { title?: ReactNode; actions?: ReactNode; children: ReactNode; className?: string; isFlush?: boolean }

export function Panel({ title, actions, children, className = '', isFlush = false }: PanelProps) {
  const id = useId()
  return (
    <section
      aria-labelledby={title ? id : undefined}
      className={`min-w-0 rounded-xl border border-line bg-surface shadow-card ${className}`}
    >
      {(title || actions) && (
        <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
          <h2 id={id} className="text-sm font-semibold">
            {title}
          </h2>
          <div className="flex flex-wrap items-center gap-1.5">{actions}</div>
        </header>
      )}
      <div className={isFlush ? '' : 'p-4'}>{children}</div>
    </section>
  )
}

export function Page({
  title,
  about,
  actions,
  children,
}: {
  title: ReactNode
  about?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  return (
    <>
      <div className="mb-4 flex flex-wrap items-end justify-between gap-x-6 gap-y-2">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
          {about && <div className="mt-0.5 text-sm text-soft">{about}</div>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
      {children}
    </>
  )
}

/** Nothing is here: why, and what to do next. */
export function Empty({ title, children, command }: { title: string; children?: ReactNode; command?: string }) {
  return (
    <div className="flex flex-col items-center gap-1.5 px-4 py-9 text-center">
      <p className="text-sm font-medium">{title}</p>
      {children && <p className="max-w-md text-sm text-soft">{children}</p>}
      {command && <Code>{command}</Code>}
    </div>
  )
}

export const Code = ({ children }: { children: string }) => (
  <code className="mt-1 max-w-full overflow-x-auto rounded-md bg-raised px-2 py-1 font-mono text-xs whitespace-pre text-ink">
    {children}
  </code>
)

/** What the server said instead of an answer, with its advice. */
export function Trouble({ error }: { error: unknown }) {
  if (!error) return null
  const refused = error instanceof Refused ? error : new Refused(0, 'unknown', String(error))
  return (
    <p role="alert" className="tint-bad my-2 rounded-lg px-3 py-2 text-sm text-bad">
      <strong className="font-semibold">{refused.message}</strong>
      {refused.hint && <span className="block">{refused.hint}</span>}
    </p>
  )
}

export const Waiting = () => (
  <p role="status" className="px-4 py-9 text-center text-sm text-faint">
    {text.reading}
  </p>
)

/** Shows what is there, else why it is not: being read, or refused. */
export function Loaded<T>({
  from,
  children,
}: {
  from: { data: T | undefined; error: unknown }
  children: (data: T) => ReactNode
}) {
  if (from.data !== undefined) return children(from.data)
  return from.error ? <Trouble error={from.error} /> : <Waiting />
}

export function Ago({ at }: { at: string | null | undefined }) {
  const now = useNow()
  if (!at) return <span className="text-faint">–</span>
  return (
    <time dateTime={at} title={instant(at, 0)} className="whitespace-nowrap">
      {ago(at, now)}
    </time>
  )
}

type DialogProps = { title: string; onClose: () => void; children: ReactNode; isWide?: boolean }

export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={onClose}
      onCancel={onClose}
      className={`m-auto w-[calc(100%-2rem)] rounded-2xl border border-line bg-surface p-5 text-ink shadow-2xl ${isWide ? 'max-w-2xl' : 'max-w-md'}`}
    >
      <h2 id={id} className="mb-3 text-base font-semibold">
        {title}
      </h2>
      {children}
    </dialog>
  )
}

/** A label over whatever takes input. */
export function Labelled({ label, children, note }: { label: string; children: ReactNode; note?: string }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is the child
    <label className="flex min-w-0 flex-col gap-1 text-xs font-medium text-soft">
      {label}
      {children}
      {note && <span className="font-normal text-faint">{note}</span>}
    </label>
  )
}

/** Something that is done on the server: whether it is under way, and what it was refused with. */
export function useAction(): {
  run: (work: () => Promise<unknown>) => Promise<boolean>
  isBusy: boolean
  error: unknown
} {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true)
    setError(null)
    try {
      await work()
      return true
    } catch (refused) {
      setError(refused)
      return false
    } finally {
      setBusy(false)
    }
  }
  return { run, isBusy, error }
}

/** A part of a whole as a bar. */
export function Meter({
  value,
  of,
  label,
  tone = 'accent',
}: {
  value: number
  of: number
  label: string
  tone?: 'accent' | 'ok' | 'warn' | 'bad'
}) {
  const share = of > 0 ? Math.min(1, value / of) : 0
  const fill = { accent: 'bg-accent', ok: 'bg-ok', warn: 'bg-warn', bad: 'bg-bad' }[tone]
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuenow={Math.round(share * 100)}
      aria-valuemin={0}
      aria-valuemax={100}
      className="h-1.5 overflow-hidden rounded-full bg-raised"
    >
      <div className={`h-full rounded-full ${fill}`} style={{ width: `${share * 100}%` }} />
    </div>
  )
}

/** A table that scrolls by itself where the screen is narrow. */
export function Table({ head, children, label }: { head: string[]; children: ReactNode; label: string }) {
  return (
    <section className="overflow-x-auto" tabIndex={0} aria-label={label}>
      <table className="w-full text-left text-sm">
        <thead>
          <tr className="border-b border-line text-xs text-faint">
            {head.map((name) => (
              <th key={name} scope="col" className="px-4 py-2 font-medium whitespace-nowrap">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="[&_td]:px-4 [&_td]:py-2 [&_td]:align-top [&>tr:not(:last-child)]:border-b [&>tr]:border-line">
          {children}
        </tbody>
      </table>
    </section>
  )
}

const UUID = /([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/

/** A text of the server, with its long ids shortened; those of tasks lead there. */
export function Told({ children }: { children: string }) {
  const parts = children.split(UUID)
  return parts.map((part, index) => {
    const key = `${index} ${part}`
    if (index % 2 === 0) return <span key={key}>{part}</span>
    const isTask = /task $/.test(parts[index - 1] ?? '')
    return isTask ? (
      <Link
        key={key}
        href={`/tasks/${part}`}
        title={part}
        className="underline decoration-line underline-offset-2 hover:text-accent"
      >
        <ShortId id={part} />
      </Link>
    ) : (
      <span key={key} title={part}>
        <ShortId id={part} />
      </span>
    )
  })
}

const ShortId = ({ id }: { id: string }) => <code className="font-mono text-[0.9em]">{id.slice(-8)}</code>
