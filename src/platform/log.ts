/** The log: JSON lines by pino. */
import pino from 'pino'
import { serializeError } from './log-error.ts'

export type Log = Pick<pino.Logger, 'fatal' | 'error' | 'warn' | 'info' | 'debug'>

const toStandardError = (): pino.DestinationStream => pino.destination({ dest: 2, sync: false })

/** Writes to standard error, so that a command's answer on standard output stays clean. Secrets are cut out by name. */
export const makeLog = (level: string, destination = toStandardError()): pino.Logger =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => serializeError(error) },
      redact: {
        paths: [
          '*.authorization',
          '*.apiKey',
          '*.password',
          '*.secret',
          'authorization',
          'apiKey',
          'password',
          'secret',
        ],
        censor: '(hidden)',
      },
    },
    destination,
  )
