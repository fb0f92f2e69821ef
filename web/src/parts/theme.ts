/** Light or dark: what the system says, until somebody chooses. */
import { useSyncExternalStore } from 'react'

export type Theme = 'light' | 'dark'
const KEY = 'agent-swarm-theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')
const listeners = new Set<() => void>()

function chosen(): Theme | null {
  const found = window.localStorage.getItem(KEY)
  return found === 'light' || found === 'dark' ? found : null
}

const present = (): Theme => chosen() ?? (system.matches ? 'dark' : 'light')

export function applyTheme(): void {
  document.documentElement.dataset.theme = present()
  for (const listener of listeners) listener()
}

export function chooseTheme(theme: Theme): void {
  window.localStorage.setItem(KEY, theme)
  applyTheme()
}

system.addEventListener('change', applyTheme)

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, present)
}
