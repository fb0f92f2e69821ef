/** One question of an agent, with the form that answers it, or what was answered. */
import { type FormEvent, useState } from 'react'
import { type Approval, api, must, type Schema } from '../api/client'
import { useMay, useNames } from '../live/directory'
import { refresh } from '../live/query'
import { useTitles } from '../live/titles'
import { Link } from '../parts/route'
import { Ago, Badge, Button, Labelled, Status, Trouble, useAction } from '../parts/ui'
import { actor } from '../words/events'
import { text } from '../words/texts'

const t = text.approvals

export function ApprovalCard({ approval }: { approval: Approval }) {
  const names = useNames()
  const titleOf = useTitles()
  return (
    <article className="flex flex-col gap-3 p-4">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h3 className="min-w-0 font-semibold break-words">{approval.title}</h3>
        {approval.status !== 'open' && <Status of={approval.status} />}
        <span className="text-xs text-soft">
          {names(approval.agentId)} ·{' '}
          <Link
            href={`/tasks/${approval.taskId}`}
            className="text-accent underline decoration-accent/40 underline-offset-2 hover:decoration-accent"
          >
            {titleOf(approval.taskId)}
          </Link>{' '}
          · <Ago at={approval.askedAt} />
        </span>
        {approval.status === 'open' && (
          <span className="ml-auto flex flex-wrap gap-1.5">
            <Badge tone={approval.pause ? 'warn' : 'soft'}>{approval.pause ? t.pauses : t.goesOn}</Badge>
            <Badge>
              {t.expires} <Ago at={approval.expiresAt} />
            </Badge>
          </span>
        )}
      </header>
      {approval.details && (
        <p className="text-sm leading-relaxed whitespace-pre-wrap break-words text-soft">{approval.details}</p>
      )}
      {approval.status === 'open' ? <AnswerForm approval={approval} /> : <Settled approval={approval} />}
    </article>
  )
}

function AnswerForm({ approval }: { approval: Approval }) {
  const [isDenying, setDenying] = useState(false)
  const action = useAction()
  const may = useMay()
  if (!may('approvals:write')) return <p className="text-sm text-soft">{t.cannot}</p>
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const answers = Object.fromEntries(approval.questions.map((one) => [one.id, answerOf(one, form)]))
    const body = { answers: isDenying ? {} : answers, comment: String(form.get('comment') ?? ''), deny: isDenying }
    if (
      await action.run(() =>
        must(api.POST('/api/approvals/{id}/answer', { params: { path: { id: approval.id } }, body })),
      )
    ) {
      refresh('approvals')
    }
  }
  return (
    <form onSubmit={submit} noValidate={isDenying} className="flex flex-col gap-3">
      {approval.questions.map((question) => (
        <QuestionField key={question.id} question={question} />
      ))}
      <Labelled label={t.comment}>
        <input name="comment" className="field" autoComplete="off" maxLength={2000} />
      </Labelled>
      <Trouble error={action.error} />
      <div className="flex gap-2">
        <Button type="submit" look="main" disabled={action.isBusy} onClick={() => setDenying(false)}>
          {approval.questions.length > 0 ? t.answer : t.approve}
        </Button>
        <Button type="submit" look="danger" disabled={action.isBusy} onClick={() => setDenying(true)}>
          {t.deny}
        </Button>
      </div>
    </form>
  )
}

function answerOf(question: Schema['Question'], form: FormData): string | boolean {
  const said = String(form.get(`question ${question.id}`) ?? '')
  return question.kind === 'yesNo' ? said === 'yes' : said
}

function QuestionField({ question }: { question: Schema['Question'] }) {
  const name = `question ${question.id}`
  if (question.kind === 'text') {
    return (
      <Labelled label={question.text}>
        <textarea name={name} rows={2} className="field" required />
      </Labelled>
    )
  }
  const choices =
    question.kind === 'yesNo'
      ? [
          ['yes', t.yes],
          ['no', t.no],
        ]
      : question.choices.map((one) => [one, one])
  return (
    <fieldset className="flex flex-wrap gap-x-4 gap-y-1 text-sm">
      <legend className="mb-1 text-xs font-medium text-soft">{question.text}</legend>
      {choices.map(([value, label]) => (
        <label
          key={value}
          className="flex items-center gap-1.5 rounded-lg border border-line px-2.5 py-1 has-checked:border-accent has-checked:bg-raised"
        >
          <input type="radio" name={name} value={value} required />
          {label}
        </label>
      ))}
    </fieldset>
  )
}

function shown(answer: unknown): string {
  if (typeof answer === 'boolean') return answer ? t.yes : t.no
  return String(answer ?? text.none)
}

function Settled({ approval }: { approval: Approval }) {
  const names = useNames()
  const answers = approval.answers as Record<string, unknown>
  return (
    <div className="text-sm">
      <dl className="grid gap-x-4 gap-y-1 sm:grid-cols-[auto_minmax(0,1fr)]">
        {approval.questions.map((one) => (
          <div key={one.id} className="contents">
            <dt className="text-soft">{one.text}</dt>
            <dd className="break-words">{shown(answers[one.id])}</dd>
          </div>
        ))}
      </dl>
      {approval.comment && <p className="mt-1 break-words">“{approval.comment}”</p>}
      <p className="mt-1 text-xs text-faint">
        {approval.settledBy && t.by(actor(approval.settledBy, names))} <Ago at={approval.settledAt} />
      </p>
    </div>
  )
}
