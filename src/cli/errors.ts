/** Errors of the command line itself, and how any error is shown. */
import { AppError, defineErrors, messageOf } from '../platform/errors.ts'
import type { Style } from './style.ts'

export const cliErrors = defineErrors({
  /** The line cannot be understood; exit status 2. */
  usage_invalid: { status: 400 },
  no_server: { status: 503 },
  no_key: { status: 401 },
  file_unreadable: { status: 400 },
  input_invalid: { status: 400 },
  stand_in_failed: { status: 503 },
  demo_failed: { status: 500 },
})

export const isUsageError = (error: unknown): boolean => error instanceof AppError && error.code === 'usage_invalid'

export const errorAsJson = (error: unknown): string => {
  const { code, status, findings, details, requestId } = error as Partial<AppError> & { requestId?: string }
  const shown = { code: typeof code === 'string' ? code : 'error', message: messageOf(error), status }
  return JSON.stringify({ error: { ...shown, findings, details, requestId } })
}

/** The message, the places it is about, and what to quote when asking for help. */
export const errorAsText = (error: unknown, style: Style): string => {
  const { findings = [], code, requestId } = error as Partial<AppError> & { requestId?: string }
  const lines = [`${style.red('error')} ${messageOf(error)}`]
  for (const finding of findings) {
    const given = finding.given === undefined || finding.given === null ? '' : ` (was ${JSON.stringify(finding.given)})`
    lines.push(`  ${finding.path}: ${finding.message}${given}`)
  }
  const facts = [code, requestId && `request ${requestId}`].filter((fact) => typeof fact === 'string' && fact !== '')
  if (facts.length > 0 && !isUsageError(error)) lines.push(style.dim(`  ${facts.join(' · ')}`))
  return `${lines.join('\n')}\n`
}
