/** Errors of the command line itself, and how any error is shown. */
import { AppError, defineErrors, type Finding, messageOf } from '../platform/errors.ts'
import { nextStepOf } from './next-steps.ts'
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
  port_taken: { status: 409 },
  folder_unusable: { status: 400 },
})

export const isUsageError = (error: unknown): boolean => error instanceof AppError && error.code === 'usage_invalid'

export const errorAsJson = (error: unknown): string => {
  const { code, status, findings, details, requestId } = error as Partial<AppError> & { requestId?: string }
  const shown = { code: typeof code === 'string' ? code : 'error', message: messageOf(error), status }
  return JSON.stringify({ error: { ...shown, findings, details, requestId } })
}

const GIVEN_LENGTH = 200

const findingLine = ({ path, message, given }: Finding): string => {
  if (given === undefined || given === null) return `  ${path}: ${message}`
  const shown = JSON.stringify(given)
  return `  ${path}: ${message} (was ${shown.length > GIVEN_LENGTH ? `${shown.slice(0, GIVEN_LENGTH)}…` : shown})`
}

/** The message without its findings, which stand on lines of their own. */
const headOf = (message: string, findings: readonly Finding[]): string => {
  const [first] = findings
  const at = first ? message.indexOf(`${first.path}: ${first.message}`) : -1
  if (at < 0) return message
  return message.slice(0, at).replace(/:?\s*$/, '') || 'the request does not fit'
}

/** The message, the places it is about, what to do, and what to quote when asking for help. */
export const errorAsText = (error: unknown, style: Style): string => {
  const { findings = [], code, requestId } = error as Partial<AppError> & { requestId?: string }
  const lines = [`${style.red('error')} ${headOf(messageOf(error), findings)}`, ...findings.map(findingLine)]
  const next = nextStepOf(error)
  if (next !== undefined) lines.push(`  ${next}`)
  const facts = [code, requestId && `request ${requestId}`].filter((fact) => typeof fact === 'string' && fact !== '')
  if (facts.length > 0 && !isUsageError(error)) lines.push(style.dim(`  ${facts.join(' · ')}`))
  return `${lines.join('\n')}\n`
}
