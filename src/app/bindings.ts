/** Reads what service ARNs of imported workflow definitions stand for: a JSON file of the operator's. */
import { readFileSync } from 'node:fs'
import { AppError, messageOf } from '../platform/errors.ts'

/** Empty when no file is named. Throws `config_invalid` naming the file and what is wrong with it. */
export const readBindings = (file: string): Record<string, string> => {
  if (file === '') return {}
  const invalid = (why: string): AppError =>
    new AppError(
      'config_invalid',
      `AIDOS_BINDINGS_FILE is ${JSON.stringify(file)}: ${why}; allowed: a JSON object of ARN to resource`,
    )
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw invalid(messageOf(error))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('it holds no object')
  for (const [arn, resource] of Object.entries(value)) {
    if (typeof resource !== 'string') throw invalid(`"${arn}" stands for ${JSON.stringify(resource)}, which is no text`)
  }
  return value as Record<string, string>
}
