/** Log in, as a user or by the API key. */
import { type FormEvent, useState } from 'react'
import { session } from '../api/session'
import mark from '../mark.svg'
import { Button, Labelled, Trouble, useAction } from '../parts/ui'
import { text } from '../words/texts'

const t = text.login

export function LogIn() {
  const [way, setWay] = useState<'user' | 'key'>('user')
  const action = useAction()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const value = (name: string) => String(form.get(name) ?? '')
    void action.run(() =>
      session.logIn(
        way === 'key' ? { apiKey: value('key') } : { username: value('name'), password: value('password') },
      ),
    )
  }
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="w-full max-w-sm rounded-2xl border border-line bg-surface p-6 shadow-card">
        <div className="mb-5 flex items-center gap-3">
          <img src={mark} alt="" className="size-9" />
          <div>
            <h1 className="text-lg font-semibold tracking-tight">{text.product}</h1>
            <p className="text-xs text-soft">{t.about}</p>
          </div>
        </div>
        <div
          role="tablist"
          aria-label={t.title}
          className="mb-4 grid grid-cols-2 gap-1 rounded-lg bg-raised p-1 text-sm"
        >
          {(['user', 'key'] as const).map((one) => (
            <button
              key={one}
              type="button"
              role="tab"
              aria-selected={way === one}
              onClick={() => setWay(one)}
              className={`rounded-md px-2 py-1 font-medium ${way === one ? 'bg-surface text-ink shadow-card' : 'text-soft'}`}
            >
              {one === 'user' ? t.asUser : t.byKey}
            </button>
          ))}
        </div>
        <form onSubmit={submit} className="flex flex-col gap-3">
          {way === 'user' ? (
            <>
              <Labelled label={t.name}>
                <input name="name" className="field" autoComplete="username" autoCapitalize="none" required />
              </Labelled>
              <Labelled label={t.password}>
                <input name="password" type="password" className="field" autoComplete="current-password" required />
              </Labelled>
            </>
          ) : (
            <Labelled label={t.key} note={t.keyNote}>
              <input name="key" type="password" className="field" autoComplete="off" required />
            </Labelled>
          )}
          <Trouble error={action.error} />
          <Button type="submit" look="main" disabled={action.isBusy}>
            {t.submit}
          </Button>
        </form>
      </div>
    </main>
  )
}
