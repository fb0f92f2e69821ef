/** Where one is: the path and its query, kept by the browser's history. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
const here = () => window.location.pathname + window.location.search

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  window.addEventListener('popstate', listener)
  return () => {
    listeners.delete(listener)
    window.removeEventListener('popstate', listener)
  }
}

/** Go to another place of this page. `replace` leaves no step to go back to. */
export function go(to: string, { replace = false } = {}): void {
  if (to === here()) return
  if (replace) window.history.replaceState(null, '', to)
  else {
    window.history.pushState(null, '', to)
    window.scrollTo(0, 0)
  }
  for (const listener of listeners) listener()
}

export function useRoute(): { path: string; query: URLSearchParams } {
  const place = useSyncExternalStore(subscribe, here)
  const url = new URL(place, window.location.origin)
  return { path: url.pathname, query: url.searchParams }
}

/** The present path with other values in its query; empty ones go. */
export function withQuery(changes: Record<string, string | null>): string {
  const url = new URL(here(), window.location.origin)
  for (const [name, value] of Object.entries(changes)) {
    if (value) url.searchParams.set(name, value)
    else url.searchParams.delete(name)
  }
  return url.pathname + url.search
}

export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return
    event.preventDefault()
    go(href)
  }
  return <a href={href} onClick={follow} {...rest} />
}
