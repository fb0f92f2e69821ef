import { describe, expect, test } from 'vitest'
import type { SwarmEvent } from '../src/api/client'
import { placesOf } from '../src/live/graph'
import { StreamReader } from '../src/live/sse'
import { spansOf } from '../src/live/timeline'
import { diffLines, isDiff, type Line, stepsOf } from '../src/live/transcript'
import { mentionAt } from '../src/pages/chat-mentions'
import { ago, compact, money, span } from '../src/parts/format'

const line = (kind: string, data: Record<string, unknown>): Line => ({ at: '2026-11-20T18:00:00.000Z', kind, data })

describe('an event stream', () => {
  const whole =
    ': connected\nretry: 1000\n\nid: 7\ndata: {"a": 1}\n\nid: 8\n: heartbeat\n\nevent: reset\nid: 9\ndata: {}\n\n'

  test('given a text in pieces of any length when it is read then the messages are the same', () => {
    const expected = new StreamReader().read(whole)
    expect(expected).toEqual([
      { id: '7', event: 'message', data: '{"a": 1}' },
      { id: '8', event: 'message', data: '' },
      { id: '9', event: 'reset', data: '{}' },
    ])
    for (let size = 1; size < 20; size++) {
      const reader = new StreamReader()
      const found = []
      for (let at = 0; at < whole.length; at += size) found.push(...reader.read(whole.slice(at, at + size)))
      expect(found).toEqual(expected)
    }
  })
})

describe('a transcript', () => {
  test('given calls and answers when they are folded then each answer is with its call, in order', () => {
    const steps = stepsOf([
      line('text', { text: 'hello' }),
      line('toolCall', { id: '1', name: 'run', input: { command: 'ls' } }),
      line('toolCall', { id: '2', name: 'read', input: {} }),
      line('toolResult', { id: '2', ok: true, output: 'two' }),
      line('toolResult', { id: '1', ok: false, output: 'one' }),
      line('denied', { id: '3', name: 'curl', input: {} }),
      line('toolResult', { id: '9', ok: true, output: 'of nothing' }),
    ])
    expect(steps.map((step) => step.kind)).toEqual(['line', 'call', 'call', 'call', 'line'])
    expect(steps[1]).toMatchObject({ name: 'run', result: { data: { output: 'one' } } })
    expect(steps[2]).toMatchObject({ name: 'read', result: { data: { output: 'two' } } })
    expect(steps[3]).toMatchObject({ name: 'curl', isDenied: true, result: null })
  })

  test('given a diff when it is coloured then every line is what it is', () => {
    const diff = 'diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n'
    expect(isDiff(diff)).toBe(true)
    expect(isDiff('- a list\n+ of things')).toBe(false)
    const kinds = diffLines(diff).map((one) => one.kind)
    expect(kinds).toEqual(['file', 'file', 'file', 'place', 'same', 'remove', 'add'])
  })
})

test('given numbers and times when people read them then they are short', () => {
  expect([money(0), money(0.0042), money(0.5), money(1234.5)]).toEqual(['$0.00', '$0.0042', '$0.500', '$1,234.50'])
  expect([compact(9_999), compact(12_345), compact(2_000_000)]).toEqual(['9,999', '12.3k', '2M'])
  expect([span(59), span(61), span(7_200), span(90_000)]).toEqual(['59 s', '1 m 1 s', '2 h', '1 d 1 h'])
  const now = Date.parse('2026-11-20T18:00:00Z')
  expect([
    ago('2026-11-20T17:59:58Z', now),
    ago('2026-11-20T17:00:00Z', now),
    ago('2026-11-20T18:03:00Z', now),
  ]).toEqual(['now', '1 h ago', 'in 3 m'])
})

describe('a timeline', () => {
  const at = (seconds: number) => new Date(Date.parse('2026-11-20T18:00:00Z') + seconds * 1000).toISOString()
  const told = (type: string, seconds: number, attempt: number | null, data: Record<string, unknown> = {}) =>
    ({ type, at: at(seconds), taskId: 'a', attempt, data }) as unknown as SwarmEvent

  test('given what happened when attempts are put together then each has its span, its holder and its end', () => {
    const spans = spansOf([
      told('task.cancelled', 0, null),
      told('task.claimed', 1, 1, { agentId: 'ada', fence: 1 }),
      told('task.started', 2, 1, { agentId: 'ada' }),
      told('task.requeued', 5, 1, { agentId: 'ada', reason: 'lost' }),
      told('task.claimed', 6, 2, { agentId: 'bob', fence: 3 }),
    ])
    expect(spans).toHaveLength(2)
    expect(spans[0]).toMatchObject({
      agentId: 'ada',
      outcome: 'lost',
      claimedAt: Date.parse(at(1)),
      endedAt: Date.parse(at(5)),
    })
    expect(spans[1]).toMatchObject({ agentId: 'bob', fence: 3, outcome: 'running', endedAt: null })
  })
})

test('given tasks that wait for each other when they are placed then each is right of all that it waits for', () => {
  const edges = ['a b', 'a c', 'b d', 'c d'].map((one) => {
    const [from = '', to = ''] = one.split(' ')
    return { from, to, kind: 'depends' as const }
  })
  const places = placesOf(['d', 'c', 'b', 'a'], edges)
  for (const { from, to } of edges) expect(places.get(from)?.column).toBeLessThan(places.get(to)?.column ?? 0)
  expect(new Set([...places.values()].map(({ column, row }) => `${column} ${row}`)).size).toBe(4)
  const broken = [...edges, { from: 'd', to: 'a', kind: 'depends' as const }]
  expect(placesOf(['a', 'b', 'c', 'd'], broken).size).toBe(4)
})

test('given a text when a mention is written then it is seen where it stands, and an address is none', () => {
  expect(mentionAt('hello @ad', 9)).toEqual({ start: 7, word: 'ad' })
  expect(mentionAt('@', 1)).toEqual({ start: 1, word: '' })
  expect(mentionAt('mail ada@example', 16)).toBeNull()
  expect(mentionAt('@ada done', 9)).toBeNull()
})
