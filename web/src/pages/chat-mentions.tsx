/** A field for a message that offers whom to mention after an `@`; chosen by keyboard or by a click. */
import { type KeyboardEvent, useId, useRef, useState } from 'react'
import type { Agent } from '../api/client'
import { text } from '../words/texts'

type Props = { value: string; onChange: (value: string) => void; onSend: () => void; label: string; agents: Agent[] }
const OFFERED = 6

/** The word after the last `@` before the cursor; null where there is none. */
export function mentionAt(value: string, cursor: number): { start: number; word: string } | null {
  const found = /(?:^|[\s(])@([\w-]*)$/.exec(value.slice(0, cursor))
  return found ? { start: cursor - (found[1]?.length ?? 0), word: (found[1] ?? '').toLowerCase() } : null
}

export function MentionField({ value, onChange, onSend, label, agents }: Props) {
  const [cursor, setCursor] = useState(0)
  const [index, setIndex] = useState(0)
  const [isClosed, setClosed] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const id = useId()
  const mention = isClosed ? null : mentionAt(value, cursor)
  const names = ['all', ...agents.map((one) => one.name.replaceAll(' ', '-'))]
  const offered = mention ? names.filter((name) => name.toLowerCase().startsWith(mention.word)).slice(0, OFFERED) : []
  const chosen = offered[Math.min(index, offered.length - 1)]
  const take = (name: string) => {
    if (!mention) return
    const rest = value.slice(cursor)
    onChange(`${value.slice(0, mention.start)}${name} ${rest.trimStart()}`)
    setClosed(true)
    field.current?.focus()
  }
  const press = (event: KeyboardEvent) => {
    if (chosen && (event.key === 'Tab' || event.key === 'Enter')) {
      event.preventDefault()
      take(chosen)
    } else if (chosen && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault()
      setIndex((index + (event.key === 'ArrowDown' ? 1 : offered.length - 1)) % offered.length)
    } else if (chosen && event.key === 'Escape') setClosed(true)
    else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      onSend()
    }
  }
  return (
    <div className="relative min-w-0 flex-1">
      {chosen && (
        <div
          id={id}
          role="listbox"
          aria-label={text.chat.suggestions}
          className="absolute bottom-full left-0 mb-1 min-w-44 rounded-lg border border-line bg-surface p-1 shadow-lg"
        >
          {offered.map((name) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
            <div
              key={name}
              id={`${id}-${name}`}
              role="option"
              tabIndex={-1}
              aria-selected={name === chosen}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(name)}
              className={`cursor-pointer rounded px-2 py-1 text-sm ${name === chosen ? 'bg-raised' : ''}`}
            >
              @{name}
            </div>
          ))}
        </div>
      )}
      <textarea
        ref={field}
        rows={Math.min(6, value.split('\n').length)}
        className="field block w-full resize-none"
        role="combobox"
        aria-expanded={Boolean(chosen)}
        aria-controls={chosen ? id : undefined}
        aria-activedescendant={chosen ? `${id}-${chosen}` : undefined}
        aria-autocomplete="list"
        aria-label={label}
        placeholder={label}
        value={value}
        onChange={(event) => {
          onChange(event.target.value)
          setCursor(event.target.selectionStart)
          setClosed(false)
          setIndex(0)
        }}
        onSelect={(event) => setCursor(event.currentTarget.selectionStart)}
        onKeyDown={press}
      />
    </div>
  )
}
