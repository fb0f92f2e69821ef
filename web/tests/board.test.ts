import { describe, expect, test } from 'vitest'
import type { SwarmEvent, Task } from '../src/api/client'
import { joined, placed, without } from '../src/live/board'
import { COLUMN_NAMES, columnOf, taskAfter, verbsOf, verbTo } from '../src/live/moves'

const id = (number: number) => `0197a1c2-0000-7000-8000-${String(number).padStart(12, '0')}`
const task = (number: number, more: Partial<Task> = {}) => ({ id: id(number), status: 'pending', ...more }) as Task
const event = (type: string, data: Record<string, unknown> = {}) => ({ type, data, attempt: 2 }) as SwarmEvent
const numbers = (tasks: Task[]) => tasks.map((one) => Number(one.id.slice(-12)))

describe('a column', () => {
  test('given a task when it comes then it stands at its place, newest first, and once', () => {
    const column = [task(9), task(5), task(1)]
    expect(numbers(placed(column, task(7)))).toEqual([9, 7, 5, 1])
    const renamed = placed(column, task(5, { title: 'other' }))
    expect(numbers(renamed)).toEqual([9, 5, 1])
    expect(renamed[1]?.title).toBe('other')
    expect(numbers(without(column, id(5)))).toEqual([9, 1])
    expect(without(column, id(4))).toBe(column)
  })

  test('given pages that overlap when they are joined then no task is doubled', () => {
    expect(numbers(joined([task(9), task(8)], [task(7), task(6)]))).toEqual([9, 8, 7, 6])
    expect(numbers(joined([task(9), task(7)], [task(9), task(8), task(7), task(6)]))).toEqual([9, 8, 7, 6])
  })

  test('given a hundred thousand tasks when two hundred of them change then it takes no second', () => {
    let column = Array.from({ length: 100_000 }, (_, index) => task(100_000 - index))
    const began = performance.now()
    for (let number = 50; number < 100_000; number += 500) column = placed(column, task(number, { title: 'new' }))
    expect(performance.now() - began).toBeLessThan(1_000)
    expect(column).toHaveLength(100_000)
    expect(column.filter((one) => one.title === 'new')).toHaveLength(200)
  })
})

describe('moves', () => {
  test('given each status when a column is asked for then only a legal verb leads there', () => {
    expect(verbTo('backlog', 'pending')).toBe('promote')
    expect(verbTo('running', 'paused')).toBe('pause')
    expect(verbTo('paused', 'pending')).toBe('resume')
    expect(verbTo('pending', 'running')).toBeNull()
    expect(verbTo('completed', 'running')).toBeNull()
    for (const status of ['completed', 'failed', 'cancelled']) expect(verbsOf(status)).toEqual(['retry'])
    for (const column of COLUMN_NAMES) expect(verbTo('offered', column)).toBe(column === 'cancelled' ? 'cancel' : null)
  })

  test('given an event when a task is known then it is moved at once', () => {
    const claimed = taskAfter(task(1), event('task.claimed', { agentId: 'ada', fence: 3 }))
    expect(claimed).toMatchObject({ status: 'claimed', agentId: 'ada', fence: 3, attempt: 2 })
    expect(columnOf(claimed.status)).toBe('running')
    expect(taskAfter(claimed, event('task.requeued')).status).toBe('pending')
    expect(taskAfter(claimed, event('task.progressed', { text: 'half' })).progress).toBe('half')
    expect(taskAfter(claimed, event('task.usageBooked'))).toBe(claimed)
  })
})
