import { describe, expect, test } from 'vitest'
import { StreamReader } from '../src/live/sse'
import { diffLines, isDiff, type Line, stepsOf } from '../src/live/transcript'
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
