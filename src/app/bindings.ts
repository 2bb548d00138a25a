/** Reads what service ARNs of imported workflow definitions stand for: a JSON file of the operator's. */
import { readFileSync } from 'node:fs'
import { AppError, messageOf } from '../platform/errors.ts'
import type { HttpConnection } from '../workflows/index.ts'

type Invalid = (why: string) => AppError

const invalidIn =
  (file: string): Invalid =>
  (why) =>
    new AppError(
      'config_invalid',
      `AIDOS_BINDINGS_FILE is ${JSON.stringify(file)}: ${why}; allowed: a JSON object of ARN to resource or connection`,
    )

const readEntries = (file: string, invalid: Invalid): [arn: string, value: unknown][] => {
  if (file === '') return []
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw invalid(messageOf(error))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('it holds no object')
  return Object.entries(value)
}

const isConnection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Empty when no file is named. Throws `config_invalid` naming the file and what is wrong with it. */
export const readBindings = (file: string): Record<string, string> => {
  const invalid = invalidIn(file)
  const resources: Record<string, string> = {}
  for (const [arn, value] of readEntries(file, invalid)) {
    if (isConnection(value)) continue
    if (typeof value !== 'string') {
      throw invalid(`"${arn}" stands for ${JSON.stringify(value)}, which is no text and no connection`)
    }
    resources[arn] = value
  }
  return resources
}

/**
 * The connections in it: `headers`, `query`, `basic` (`user`, `password`) and `apiKey` (`name`, `value`); `${NAME}` in any text is the
 * environment's, so that the file itself holds no secret.
 */
export const readConnections = (
  file: string,
  environment: (name: string) => string | undefined,
): Record<string, HttpConnection> => {
  const invalid = invalidIn(file)
  const entries = readEntries(file, invalid).filter(([, value]) => isConnection(value))
  return Object.fromEntries(
    entries.map(([arn, value]) => [
      arn,
      readConnection(value as Record<string, unknown>, { arn, environment, invalid }),
    ]),
  )
}

interface Reading {
  readonly arn: string
  environment(name: string): string | undefined
  readonly invalid: Invalid
}

const readConnection = (value: Record<string, unknown>, reading: Reading): HttpConnection => {
  const { arn, invalid } = reading
  const foreign = Object.keys(value).find((key) => !['headers', 'query', 'basic', 'apiKey'].includes(key))
  if (foreign !== undefined) throw invalid(`the connection "${arn}" has "${foreign}", which means nothing`)
  const part = (name: string): Record<string, string> => readTexts(value[name], name, reading)
  const { user, password } = part('basic')
  const { name: keyName, value: key } = part('apiKey')
  const basic = `Basic ${Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')}`
  return {
    headers: {
      ...(value.basic === undefined ? {} : { authorization: basic }),
      ...(keyName === undefined || key === undefined ? {} : { [keyName]: key }),
      ...part('headers'),
    },
    query: part('query'),
  }
}

const readTexts = (value: unknown, name: string, { arn, environment, invalid }: Reading): Record<string, string> => {
  if (value === undefined) return {}
  if (!isConnection(value)) throw invalid(`"${name}" of the connection "${arn}" is no object`)
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) => {
      if (typeof text !== 'string') throw invalid(`"${name}.${key}" of the connection "${arn}" is no text`)
      const filled = text.replace(/\$\{(\w+)\}/g, (_, variable: string) => {
        const found = environment(variable)
        if (found !== undefined && found !== '') return found
        throw invalid(`the connection "${arn}" needs the variable ${variable}, which is not set`)
      })
      return [key, filled]
    }),
  )
}
