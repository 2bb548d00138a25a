/** The log: JSON lines by pino. */
import pino from 'pino'

export type Log = Pick<pino.Logger, 'fatal' | 'error' | 'warn' | 'info' | 'debug'>

/** Writes to standard error, so that a command's answer on standard output stays clean. Secrets are cut out by name. */
export const makeLog = (level: string): pino.Logger =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
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
    pino.destination({ dest: 2, sync: false }),
  )
