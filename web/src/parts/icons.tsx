/** Small line drawings, 16 by 16. */
const PATHS = {
  overview: 'M2 9.5h3.5l2-6 2.5 9 1.5-3H14',
  board: 'M2.5 3h3v10h-3zM6.5 3h3v6h-3zM10.5 3h3v8h-3z',
  timeline: 'M2 4h6M5 8h7M8 12h6',
  agents: 'M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.5-2.5 2.5-4 5-4s4.500 1.500 5 4',
  chat: 'M2.500 3.500h11v7.500H7l-3 2.500v-2.500H2.500z',
  approvals: 'M2.500 8.500l3.500 3.500 7.500-8',
  projects: 'M2 4.500h4l1.500 1.500H14v7H2z',
  schedules: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.500V8l2.500 1.500',
  costs: 'M2.500 13.500h11M4 11V7M8 11V3.500M12 11V8.500',
  audit: 'M4 2.500h8v11H4zM6 5.500h4M6 8h4M6 10.500h2.500',
  settings: 'M2 4.500h7M12 4.500h2M9 3v3h3V3zM2 11.500h2M7 11.500h7M4 10v3h3v-3z',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.500 3.500l1 1M11.500 11.500l1 1M12.500 3.500l-1 1M4.500 11.500l-1 1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3 5.500 5.500 0 1 0 13 9.500Z',
  stop: 'M5 2h6l3 3v6l-3 3H5l-3-3V5z',
  more: 'M3.500 8h.01M8 8h.01M12.500 8h.01',
  leave: 'M6 2.500H3v11h3M7 8h7M11.500 5.500 14 8l-2.500 2.500',
  plus: 'M8 3v10M3 8h10',
  graph:
    'M4 5.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3ZM12 9.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3ZM4 13.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3ZM5.500 4.500l5 3M5.500 11.500l5-3',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, className = 'size-4' }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 16 16"
      className={`shrink-0 ${className}`}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}
