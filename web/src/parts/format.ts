/** Numbers, money and times as people read them. Pure. */

/** Dollars: cents from one on, more places where they matter. */
export function money(usd: number): string {
  const digits = usd === 0 || usd >= 1 ? 2 : usd >= 0.01 ? 3 : 4
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`
}

/** 12,345 as 12.3k, 12,345,678 as 12.3M. */
export function compact(count: number): string {
  if (count < 10_000) return count.toLocaleString('en-US')
  return count < 1_000_000 ? `${trim(count / 1000)}k` : `${trim(count / 1_000_000)}M`
}

const trim = (value: number) => value.toFixed(value < 100 ? 1 : 0).replace(/\.0$/, '')

/** A span as its two largest parts: `3 m 20 s`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return join(Math.floor(whole / 60), 'm', whole % 60, 's')
  if (whole < 86_400) return join(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'm')
  return join(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h')
}

const join = (most: number, unit: string, rest: number, small: string) =>
  rest === 0 ? `${most} ${unit}` : `${most} ${unit} ${rest} ${small}`

/** How long ago, or until when, in words. */
export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000
  if (Math.abs(seconds) < 5) return 'now'
  return seconds > 0 ? `${coarse(seconds)} ago` : `in ${coarse(-seconds)}`
}

function coarse(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} m`
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** An instant in the zone of whoever looks: the time alone where it is of today. */
export function instant(at: string, now = Date.now()): string {
  const moment = new Date(at)
  const isToday = moment.toDateString() === new Date(now).toDateString()
  const time = moment.toLocaleTimeString('en-GB')
  return isToday ? time : `${moment.toLocaleDateString('en-CA')} ${time}`
}

export const bytes = (size: number): string =>
  size < 1024 ? `${size} B` : size < 1024 ** 2 ? `${trim(size / 1024)} kB` : `${trim(size / 1024 ** 2)} MB`
