/** What the agent said and did: texts, tool calls folded, diffs in colour, what it used. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useNames } from '../live/directory'
import { type Call, diffLines, isDiff, type Line, stepsOf, useTranscript } from '../live/transcript'
import { compact, instant, money } from '../parts/format'
import { Badge, Button, Empty, Trouble, Waiting } from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'

const t = text.task
const SHOWN = 400

export function TranscriptView({ taskId, attempt }: { taskId: string; attempt: number }) {
  const { lines, isEnded, error } = useTranscript(taskId, attempt)
  const steps = useMemo(() => stepsOf(lines), [lines])
  const [shown, setShown] = useState(SHOWN)
  const [isFollowing, setFollowing] = useState(true)
  const box = useRef<HTMLElement>(null)
  const hidden = Math.max(0, steps.length - shown)
  const count = lines.length
  useLayoutEffect(() => {
    if (isFollowing && count > 0 && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [isFollowing, count])
  useEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => setFollowing(element.scrollHeight - element.scrollTop - element.clientHeight < 40)
    element.addEventListener('scroll', look, { passive: true })
    return () => element.removeEventListener('scroll', look)
  }, [])
  return (
    <section
      ref={box}
      tabIndex={0}
      aria-label={t.transcript}
      className="max-h-[70vh] min-h-40 overflow-y-auto px-4 py-3"
    >
      {error && !error.isOffline && <Trouble error={error} />}
      {hidden > 0 && (
        <Button look="quiet" isSmall onClick={() => setShown(shown + SHOWN)}>
          {t.earlier(hidden)}
        </Button>
      )}
      <ol aria-label={t.transcript} className="flex flex-col gap-1.5 text-sm">
        {steps.slice(hidden).map((step) => (
          <li key={step.key} data-line={step.key} className="lazy-row">
            {step.kind === 'call' ? <ToolCall call={step} /> : <LineView line={step.line} />}
          </li>
        ))}
      </ol>
      {count === 0 && (isEnded ? <Empty title={t.transcriptEmpty} /> : <Waiting />)}
      {isEnded && count > 0 && <p className="pt-2 text-xs text-faint">{t.transcriptEnded}</p>}
    </section>
  )
}

function ToolCall({ call }: { call: Call }) {
  const { result } = call
  const isFailed = result !== null && result.data.ok === false
  return (
    <details className="rounded-lg border border-line bg-raised/40">
      <summary className="flex cursor-pointer items-center gap-2 rounded-lg px-2.5 py-1 hover:bg-raised">
        <span className="font-mono text-xs font-medium">{call.name}</span>
        <span className="min-w-0 flex-1 truncate font-mono text-xs text-soft">{gist(call.input)}</span>
        {isFailed && <Badge tone="bad">{t.failedCall}</Badge>}
        {call.isDenied && <Badge tone="bad">{t.denied}</Badge>}
        {result === null && !call.isDenied && <Badge tone="accent">…</Badge>}
      </summary>
      <div className="flex flex-col gap-2 border-t border-line px-2.5 py-2">
        <Block label={t.input} value={shownInput(call.input)} />
        {result ? <Output line={result} /> : <p className="text-xs text-faint">{t.noOutput}</p>}
      </div>
    </details>
  )
}

function Output({ line }: { line: Line }) {
  const output = asText(line.data.output)
  const diff = typeof line.data.diff === 'string' && line.data.diff ? line.data.diff : null
  return (
    <>
      {diff && <Diff text={diff} />}
      {output && (isDiff(output) ? <Diff text={output} /> : <Block label={t.output} value={output} />)}
    </>
  )
}

const DIFF_LOOKS = {
  add: 'tint-ok text-ok',
  remove: 'tint-bad text-bad',
  place: 'text-accent',
  file: 'font-semibold text-soft',
  same: '',
}

export function Diff({ text: diff }: { text: string }) {
  return (
    <pre className="max-h-96 overflow-auto rounded-md border border-line bg-surface py-1 font-mono text-xs leading-5">
      {diffLines(diff).map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text that does not change
        <div key={index} className={`min-w-max px-2 ${DIFF_LOOKS[line.kind]}`}>
          {line.text || ' '}
        </div>
      ))}
    </pre>
  )
}

function Block({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <p className="text-2xs font-medium text-faint">{label}</p>
      <pre className="max-h-80 overflow-auto font-mono text-xs leading-5 whitespace-pre-wrap break-words">{value}</pre>
    </div>
  )
}

function LineView({ line }: { line: Line }) {
  const names = useNames()
  const { data } = line
  const said = asText(data.text)
  switch (line.kind) {
    case 'text':
      return <p className="py-0.5 leading-relaxed whitespace-pre-wrap break-words">{said}</p>
    case 'message':
      return (
        <div className="rounded-lg border-l-2 border-accent bg-raised/60 px-3 py-1.5">
          <p className="text-xs font-medium text-accent">{t.says(actor(asText(data.from), names))}</p>
          <p className="whitespace-pre-wrap break-words">{said}</p>
        </div>
      )
    case 'log':
      return (
        <pre
          className={`font-mono text-xs whitespace-pre-wrap break-words ${data.stream === 'stderr' ? 'text-warn' : 'text-soft'}`}
        >
          {said}
        </pre>
      )
    case 'progress':
      return <Note at={line.at}>{data.percent === undefined ? said : `${data.percent}% · ${said}`}</Note>
    case 'usage':
      return <Note at={line.at}>{usage(data)}</Note>
    case 'started':
      return <Note at={line.at}>{t.started}</Note>
    case 'ended':
      return <Note at={line.at}>{t.exit(asText(data.exit))}</Note>
    default:
      return <pre className="font-mono text-xs whitespace-pre-wrap text-soft">{`${line.kind} ${asText(data)}`}</pre>
  }
}

const Note = ({ at, children }: { at: string; children: string }) => (
  <p className="flex items-baseline gap-2 text-xs text-soft">
    <span aria-hidden className="h-px w-3 self-center bg-line" />
    <span className="min-w-0 break-words">{children}</span>
    <time dateTime={at} className="ml-auto text-faint">
      {instant(at)}
    </time>
  </p>
)

function usage(data: Record<string, unknown>): string {
  const cost = typeof data.costUsd === 'number' ? money(data.costUsd) : ''
  return t.usage(compact(Number(data.inputTokens ?? 0)), compact(Number(data.outputTokens ?? 0)), cost)
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}

/** The part of a call's input that says most, on one line. */
function gist(input: unknown): string {
  if (typeof input !== 'object' || input === null) return asText(input).split('\n', 1)[0] ?? ''
  const fields = input as Record<string, unknown>
  const best = ['command', 'file_path', 'path', 'pattern', 'query', 'url', 'description']
    .map((name) => fields[name])
    .find((value) => typeof value === 'string')
  return String(best ?? Object.values(fields).find((value) => typeof value === 'string') ?? '').split('\n', 1)[0] ?? ''
}

function shownInput(input: unknown): string {
  if (typeof input !== 'object' || input === null) return asText(input)
  const fields = Object.entries(input as Record<string, unknown>)
  return fields.map(([name, value]) => `${name}: ${asText(value)}`).join('\n')
}
