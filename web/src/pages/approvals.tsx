/** The inbox: what agents ask people. */
import { api, must } from '../api/client'
import { about, useLive } from '../live/query'
import { go, useRoute, withQuery } from '../parts/route'
import { readOpen } from '../parts/shell'
import { Empty, Loaded, Page } from '../parts/ui'
import { text } from '../words/texts'
import { ApprovalCard } from './approval-card'

const t = text.approvals

const readSettled = async () => {
  const { approvals } = await must(api.GET('/api/approvals', { params: { query: { limit: 200 } } }))
  return approvals.filter((one) => one.status !== 'open')
}

export function Approvals() {
  const isSettled = useRoute().query.get('show') === 'settled'
  const open = useLive('approvals?open', readOpen, about('approval', 'task'))
  const settled = useLive(isSettled ? 'approvals?settled' : null, readSettled, about('approval'))
  return (
    <Page title={t.title} about={t.about}>
      <div className="mb-3 flex gap-1">
        {[false, true].map((one) => (
          <button
            key={String(one)}
            type="button"
            aria-pressed={one === isSettled}
            onClick={() => go(withQuery({ show: one ? 'settled' : null }), { replace: true })}
            className={`rounded-lg px-3 py-1 text-sm font-medium ${one === isSettled ? 'bg-raised text-ink' : 'text-soft hover:bg-raised'}`}
          >
            {one ? t.settled : `${t.open} ${open.data?.length ?? ''}`}
          </button>
        ))}
      </div>
      <Loaded from={isSettled ? settled : open}>
        {(found) => (
          <div className="flex max-w-4xl flex-col gap-3">
            {found.length === 0 && (
              <div className="rounded-xl border border-line bg-surface">
                <Empty title={isSettled ? t.settledEmpty : t.empty}>{isSettled ? undefined : t.emptyAbout}</Empty>
              </div>
            )}
            {found.map((one) => (
              <div key={one.id} className="rounded-xl border border-line bg-surface shadow-card">
                <ApprovalCard approval={one} />
              </div>
            ))}
          </div>
        )}
      </Loaded>
    </Page>
  )
}
