/**
 * An error as the log shows it: what it is, where it came from and what caused it. Drivers hang whole connections, passwords and all, on
 * their errors: what is not named here stays out.
 */

import { messageOf } from './errors.ts'

export interface LoggedError {
  readonly type: string
  readonly message: string
  readonly stack?: string
  readonly code?: string | number
  /** What PostgreSQL adds to a refused row. */
  readonly detail?: string
  readonly constraint?: string
  readonly cause?: LoggedError
}

/** Causes of causes; a circle ends here, too. */
const MOST_CAUSES = 5

type Foreign = Error & Readonly<Record<'code' | 'detail' | 'constraint' | 'lastNodeError', unknown>>

const textOf = <K extends string>(name: K, value: unknown): { [P in K]?: string } =>
  (typeof value === 'string' ? { [name]: value } : {}) as { [P in K]?: string }

export const serializeError = (error: unknown, causesLeft = MOST_CAUSES): LoggedError => {
  if (!(error instanceof Error)) return { type: typeof error, message: messageOf(error) }
  const { message, stack, code, detail, constraint, lastNodeError } = error as Foreign
  // A Redis Cluster of which no node answers: the last one's error says why.
  const cause = error.cause ?? lastNodeError
  return {
    type: error.constructor.name,
    message,
    ...textOf('stack', stack),
    ...(typeof code === 'number' ? { code } : textOf('code', code)),
    ...textOf('detail', detail),
    ...textOf('constraint', constraint),
    ...(cause === undefined || cause === null || causesLeft === 0
      ? {}
      : { cause: serializeError(cause, causesLeft - 1) }),
  }
}
