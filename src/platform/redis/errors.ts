/** What Redis and its client say when something is wrong, and what that means. */
import { AppError, defineErrors, messageOf } from '../errors.ts'

export const redisErrors = defineErrors({
  /** It answers, and does not take this process in: a wrong password, a certificate, no cluster. */
  redis_refuses: { status: 500 },
})

/** Of a cluster of which no node answers the client says only that; the last node's error says why. */
export const reasonOf = (error: unknown): string => {
  const { lastNodeError } = error as { lastNodeError?: unknown }
  return lastNodeError instanceof Error ? `${messageOf(error)} ${lastNodeError.message}` : messageOf(error)
}

const HOPELESS =
  /WRONGPASS|NOAUTH|NOPERM|invalid password|cluster support disabled|certificate|self-signed|wrong version number|Protocol error/i

/** Whether the same would be said however often it is asked. */
export const isHopeless = (reason: string): boolean => HOPELESS.test(reason)

const AWAY =
  /Connection is closed|Stream isn't writeable|Cluster isn't ready|Cluster is (ended|disconnect)|slots cache|Command timed out|max retries per request|Too many Cluster redirections|sentinels are unreachable|cannot be reached|^(CLUSTERDOWN|LOADING|READONLY|MASTERDOWN|TRYAGAIN)\b/

/** Whether a command's error says that Redis is away, or about to change its roles: the same may work in a moment. */
export const isRedisAway = (error: unknown): boolean =>
  error instanceof Error && !(error instanceof AppError) && AWAY.test(error.message) && !isHopeless(reasonOf(error))
