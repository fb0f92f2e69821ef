/** A refusal of the server, in the words that it chose; or that no server answered. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint = '',
    readonly details: Record<string, unknown> = {},
  ) {
    super(message)
  }

  /** Nobody answered: trying again may help. */
  get isOffline(): boolean {
    return this.status === 0
  }
}

type ErrorBody = { error?: { code?: string; message?: string; hint?: string; details?: Record<string, unknown> } }

/** What an answer that is none says: the server's own words, or the status where they are missing. */
export function refusalOf(status: number, body: unknown): Refused {
  const error = (body as ErrorBody | undefined)?.error
  return new Refused(status, error?.code ?? 'unknown', error?.message ?? `HTTP ${status}`, error?.hint, error?.details)
}
