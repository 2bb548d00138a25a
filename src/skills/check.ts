/** Checks a definition before it is stored: its form, its names, and that a tool can be made of each part. */
import { AppError, type Finding, messageOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { type CompileOptions, withCommon } from './compile.ts'
import { DEFINITION_SCHEMAS } from './definition-schema.ts'
import { entryOf } from './function-tool.ts'
import { makeHttpTool } from './http-tool.ts'
import { checkName, LONGEST_TOOL_NAME } from './names.ts'
import type { CheckValue } from './tool-input.ts'
import type { FunctionDefinition, HttpDefinition, OwnKind } from './types.ts'

/** The findings, with JSON pointers into `{ definition }`; none when it is right. Rejects only when it cannot be checked now. */
export type CheckDefinition = (kind: OwnKind, definition: Json) => Promise<readonly Finding[]>

export const makeDefinitionCheck = (options: CompileOptions): CheckDefinition => {
  const forms = new Map<OwnKind, CheckValue>()
  const formOf = (kind: OwnKind): CheckValue => {
    const known = forms.get(kind) ?? options.compileSchema(DEFINITION_SCHEMAS[kind])
    forms.set(kind, known)
    return known
  }
  return async (kind, definition) => {
    const form = formOf(kind)(definition)
    if (form.length > 0) return form.map((finding) => ({ ...finding, path: `/definition${finding.path}` }))
    // The form was checked above.
    const known = definition as unknown as HttpDefinition | FunctionDefinition
    const names = checkToolNames(known.tools.map((tool) => tool.name))
    const rest =
      'source' in known
        ? [...checkSchemas(known, options), ...(await checkSource(known, options))]
        : [...checkBaseUrl(known), ...checkNoSecrets(known), ...checkHttpTools(known, options)]
    return [...names, ...rest]
  }
}

const checkToolNames = (names: readonly string[]): Finding[] =>
  names.flatMap((name, i) => {
    const path = `/definition/tools/${i}/name`
    const isTaken = names.indexOf(name) < i
    const taken = { path, message: `"${name}" is the name of a tool above`, given: name, expected: 'another name' }
    return isTaken ? [taken] : checkName(path, name, LONGEST_TOOL_NAME)
  })

const BASE_URL = 'an http or https URL without user, query or fragment, such as https://api.example.com/v2'

const checkBaseUrl = ({ baseUrl }: HttpDefinition): Finding[] => {
  if (baseUrl === undefined) return []
  const url = /^https?:\/\//i.test(baseUrl) && !/[{}?#]/.test(baseUrl) ? URL.parse(baseUrl) : null
  if (url && url.username === '' && url.password === '') return []
  // Not shown: it may hold a password.
  return [{ path: '/definition/baseUrl', message: `must be ${BASE_URL}`, expected: BASE_URL }]
}

/** Headers by which services let callers in. */
const CREDENTIALS = /^(authorization|proxy-authorization|cookie|(x-)?(api|auth|access)-?(key|token))$/i

/** A credential that stands in the definition is read by everybody who may read skills, and lies in the database as it is. */
const checkNoSecrets = (definition: HttpDefinition): Finding[] => {
  const places = [
    { path: '/definition/headers', headers: definition.headers },
    ...definition.tools.map(({ headers }, i) => ({ path: `/definition/tools/${i}/headers`, headers })),
  ]
  const expected = 'a secret: { "$secret": "NAME" }'
  return places.flatMap(({ path, headers = {} }) =>
    Object.entries(headers)
      .filter(([name, value]) => typeof value === 'string' && CREDENTIALS.test(name) && !value.includes('{{'))
      .map(([name]) => ({
        path: `${path}/${name}`,
        message: `must be ${expected}`,
        expected,
        code: 'secret_in_clear',
      })),
  )
}

const checkHttpTools = (definition: HttpDefinition, options: CompileOptions): Finding[] => {
  const findings = definition.tools.flatMap((spec, i) => {
    const path = `/definition/tools/${i}`
    const problems = problemsOf(
      () => makeHttpTool(withCommon(spec, definition), { ...options, projectId: null }),
      '/inputSchema',
    )
    return [
      ...checkUrl(`${path}/url`, spec.url, definition),
      ...problems.map((finding) => {
        const field = finding.path.replace('/headers.', '/headers/')
        const header = /^\/headers\/(.+)$/.exec(field)?.[1]
        const isCommon = header !== undefined && spec.headers?.[header] === undefined
        return { ...finding, path: `${isCommon ? '/definition' : path}${field}` }
      }),
    ]
  })
  // A wrong header of all tools is found once for each.
  return findings.filter(({ path }, i) => findings.findIndex((other) => other.path === path) === i)
}

const checkUrl = (path: string, url: string, { baseUrl }: HttpDefinition): Finding[] => {
  const expected =
    baseUrl === undefined ? 'http:// or https:// at its start' : 'http://, https:// or / (below baseUrl) at its start'
  if (/^https?:\/\//i.test(url) || (url.startsWith('/') && baseUrl !== undefined)) return []
  return [{ path, message: `must have ${expected}`, given: url.slice(0, 100), expected }]
}

const checkSchemas = ({ tools }: FunctionDefinition, { compileSchema }: CompileOptions): Finding[] =>
  tools.flatMap(({ inputSchema }, i) =>
    problemsOf(() => inputSchema && compileSchema(inputSchema), '').map((finding) => ({
      ...finding,
      path: `/definition/tools/${i}/inputSchema${finding.path}`,
    })),
  )

const checkSource = async (definition: FunctionDefinition, { sandbox }: CompileOptions): Promise<Finding[]> => {
  const entries = definition.tools.map(entryOf)
  try {
    await sandbox.check(definition.source, entries)
    return []
  } catch (error) {
    if (!(error instanceof AppError) || error.retryable) throw error
    const expected = `JavaScript that loads and has the functions ${[...new Set(entries)].join(', ')}`
    return [{ path: '/definition/source', message: error.message, expected, code: error.code }]
  }
}

/** What is wrong according to the code that would make it; `field` where that does not say. */
const problemsOf = (make: () => unknown, field: string): readonly Finding[] => {
  try {
    make()
    return []
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.findings ?? [{ path: field, message: messageOf(error), code: error.code }]
  }
}
