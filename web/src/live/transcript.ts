/**
 * What an agent does, line by line, as it happens. The server holds the request until there is a line, and each one
 * asks for the lines after the last that was seen: over a restart none is lost and none comes twice.
 */
import { useEffect, useReducer } from 'react'
import { api, must } from '../api/client'
import { Refused } from '../api/refused'

export type Line = { at: string; kind: string; data: Record<string, unknown> }
export type Call = {
  kind: 'call'
  key: number
  at: string
  name: string
  input: unknown
  result: Line | null
  isDenied: boolean
}
export type Said = { kind: 'line'; key: number; line: Line }
export type Step = Call | Said
export type Transcript = { lines: Line[]; isEnded: boolean; error: Refused | null }

const HELD_SECONDS = 25
const NOTHING: Transcript = { lines: [], isEnded: false, error: null }
type Piece = { lines: Line[]; ended: boolean } | { error: Refused } | 'anew'

function taken(state: Transcript, piece: Piece): Transcript {
  if (piece === 'anew') return NOTHING
  if ('error' in piece) return { ...state, error: piece.error }
  const lines = piece.lines.length > 0 ? [...state.lines, ...piece.lines] : state.lines
  return { lines, isEnded: piece.ended, error: null }
}

export function useTranscript(id: string, number: number | null): Transcript {
  const [state, take] = useReducer(taken, NOTHING)
  useEffect(() => {
    take('anew')
    if (number === null) return
    const stop = new AbortController()
    void follow(id, number, stop.signal, take)
    return () => stop.abort()
  }, [id, number])
  return state
}

async function follow(id: string, number: number, signal: AbortSignal, take: (piece: Piece) => void): Promise<void> {
  let after = 0
  let pause = 500
  while (!signal.aborted) {
    try {
      const query = { after, limit: 200, waitSeconds: HELD_SECONDS }
      const params = { path: { id, number }, query }
      const piece = await must(api.GET('/api/tasks/{id}/attempts/{number}/transcript', { params, signal }))
      if (signal.aborted) return
      after = piece.next
      take({ lines: piece.lines as Line[], ended: piece.ended })
      if (piece.ended) return
      pause = 500
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Refused)) throw error
      take({ error })
      if (!error.isOffline && error.status < 500) return
      await new Promise((resolve) => setTimeout(resolve, pause))
      pause = Math.min(pause * 2, 8_000)
    }
  }
}

/** Lines as steps: a tool call together with its answer, everything else by itself. Pure. */
export function stepsOf(lines: Line[]): Step[] {
  const steps: Step[] = []
  const calls = new Map<string, Call>()
  for (const [key, line] of lines.entries()) {
    const id = String(line.data.id ?? '')
    if (line.kind === 'toolCall' || line.kind === 'denied') {
      const isDenied = line.kind === 'denied'
      const open = calls.get(id)
      if (isDenied && open) {
        open.isDenied = true
        continue
      }
      const call: Call = {
        kind: 'call',
        key,
        at: line.at,
        name: String(line.data.name ?? ''),
        input: line.data.input,
        result: null,
        isDenied,
      }
      calls.set(id, call)
      steps.push(call)
    } else if (line.kind === 'toolResult' && calls.has(id)) {
      const call = calls.get(id)
      if (call) call.result = line
    } else steps.push({ kind: 'line', key, line })
  }
  return steps
}

export type DiffLine = { kind: 'add' | 'remove' | 'place' | 'file' | 'same'; text: string }

/** A unified diff by lines, each with what it is. Pure. */
export function diffLines(diff: string): DiffLine[] {
  return diff
    .replace(/\n$/, '')
    .split('\n')
    .map((line): DiffLine => {
      if (/^(\+\+\+|---|diff |index )/.test(line)) return { kind: 'file', text: line }
      if (line.startsWith('@@')) return { kind: 'place', text: line }
      if (line.startsWith('+')) return { kind: 'add', text: line }
      if (line.startsWith('-')) return { kind: 'remove', text: line }
      return { kind: 'same', text: line }
    })
}

/** Whether a text is a unified diff, such as the output of `git diff`. */
export const isDiff = (text: string): boolean => /^(diff --git |--- .+\n\+\+\+ )/m.test(text) && /^@@ /m.test(text)
