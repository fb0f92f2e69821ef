/** A list of rows of one height, of which only those in sight are drawn. */
import { type Key, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'

type Props<T> = {
  items: T[]
  rowHeight: number
  keyOf: (item: T) => Key
  children: (item: T) => ReactNode
  onEnd?: () => void // the end comes into sight
  label: string
  className?: string
}
const BEYOND = 6 // rows drawn before and after those in sight

export function VirtualList<T>({ items, rowHeight, keyOf, children, onEnd, label, className = '' }: Props<T>) {
  const box = useRef<HTMLElement>(null)
  const [view, setView] = useState({ top: 0, height: 800 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const look = () => setView({ top: element.scrollTop, height: element.clientHeight })
    const observer = new ResizeObserver(look)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [])
  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND)
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + BEYOND)
  const isAtEnd = last >= items.length
  useEffect(() => {
    if (isAtEnd) onEnd?.()
  }, [isAtEnd, onEnd])
  return (
    <section ref={box} aria-label={label} tabIndex={0} className={`overflow-y-auto ${className}`}>
      <ul className="relative" style={{ height: items.length * rowHeight }}>
        {items.slice(first, last).map((item, index) => (
          <li
            key={keyOf(item)}
            className="absolute inset-x-0"
            style={{ top: (first + index) * rowHeight, height: rowHeight }}
          >
            {children(item)}
          </li>
        ))}
      </ul>
    </section>
  )
}
