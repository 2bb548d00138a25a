/** Makes a tool of a declaration: an HTTP service that a tenant names, without any code. */
import { type Clock, systemClock } from '../platform/clock.ts'
import { AppError } from '../platform/errors.ts'
import type { Json, JsonObject, JsonSchema } from '../platform/json.ts'
import { compileJsonata } from '../platform/jsonata.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import { isSecretReference, makeRedact, type RevealSecret, type SecretReference } from '../secrets/index.ts'
import { type CompileTemplate, makeTemplateCompiler } from './builtin/template.ts'
import { callHttp } from './http-call.ts'
import { type Tool, toolErrors } from './tool.ts'
import { type CompileSchema, makeSchemaCompiler, withInputCheck } from './tool-input.ts'

/** Templates are Liquid, over the fields of the input. */
export interface HttpToolSpec {
  readonly name: string
  readonly description: string
  /** Of an object; any object goes if left out. */
  readonly inputSchema?: JsonSchema
  /** `GET` if left out. */
  readonly method?: string
  /** A template; every value is percent-encoded, so that it stays one part of the path or query (`| raw` lets it through). */
  readonly url: string
  /** Templates, and secrets by their names. */
  readonly headers?: Headers
  /** What is sent: if left out, the input as JSON with the methods that take a body (POST, PUT, PATCH); `null` is nothing. */
  readonly body?: HttpToolBody | null
  /** JSONata over `{ status, headers, body }`, with the input as `$input`; the answer's body alone if left out. */
  readonly output?: string
  readonly timeoutMs?: number
  /** Statuses that are a success, as numbers or as `4xx`; `2xx` if left out. */
  readonly expect?: readonly (number | string)[]
}

export type Headers = Readonly<Record<string, string | SecretReference>>

/** JSONata over the input: a text is sent as it is, anything else as JSON. Or a template, sent as text. */
export type HttpToolBody = { readonly jsonata: string } | { readonly template: string }

export interface HttpToolOptions {
  readonly outbound: Outbound
  readonly revealSecret: RevealSecret
  /** Whose secrets go before the tenant's. */
  readonly projectId: string | null
  readonly clock?: Clock
  readonly compileSchema?: CompileSchema
  readonly compileTemplate?: CompileTemplate
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const METHODS_WITH_BODY = ['POST', 'PUT', 'PATCH']
const JSON_TYPE = 'application/json'
const TEXT_TYPE = 'text/plain; charset=utf-8'

/**
 * Throws `tool_invalid` or `tool_schema_invalid` when something in the declaration is wrong; nothing is called yet. The tool
 * sends the task's idempotency key along as `Idempotency-Key`, and rejects with `httpErrors` or `outboundErrors`.
 */
export const makeHttpTool = (spec: HttpToolSpec, options: HttpToolOptions): Tool => {
  const { outbound, revealSecret, projectId, clock = systemClock, compileSchema = makeSchemaCompiler() } = options
  const { compileTemplate = makeTemplateCompiler() } = options
  const inputSchema = spec.inputSchema ?? { type: 'object' }
  compileSchema(inputSchema)
  const method = (spec.method ?? 'GET').toUpperCase()
  if (!METHODS.includes(method))
    throw invalid(spec, 'method', `must be one of ${METHODS.join(', ')}, was ${spec.method}`)
  const makeUrl = part(spec, 'url', () => compileTemplate(spec.url, { encode: encodeURIComponent, strict: true }))
  const makeHeaders = compileHeaders(spec, compileTemplate)
  const secretHeaders = secretsIn(spec)
  if (secretHeaders.length > 0 && !FIXED_HOST.test(spec.url))
    throw invalid(
      spec,
      'url',
      'must name its host as it is where secrets are sent: a template could send them anywhere',
    )
  const makeBody = part(spec, 'body', () => compileBody(spec.body, method, compileTemplate))
  const { output } = spec
  const makeOutput = output === undefined ? undefined : part(spec, 'output', () => compileJsonata(output))

  const tool: Tool = {
    name: spec.name,
    description: spec.description,
    inputSchema,
    async run(input, call) {
      const url = await makeUrl.render(fieldsOf(input))
      const { body, type } = await makeBody(input)
      const plain = { ...(type !== undefined && { 'content-type': type }), ...(await makeHeaders(input)) }
      const secrets: Record<string, string> = {}
      for (const [name, reference] of secretHeaders)
        secrets[name] = await revealSecret({ tenantId: call.tenantId, projectId, reference, url })
      const headers = { ...plain, ...secrets }
      const { timeoutMs, expect } = spec
      const request = {
        method,
        url,
        headers,
        ...(body !== undefined && { body }),
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(expect !== undefined && { expect }),
        ...(secretHeaders.length > 0 && { redact: redactOf(secretHeaders, secrets) }),
      }
      const answer = await callHttp({ outbound, clock }, request, call)
      return makeOutput ? makeOutput.evaluate(answer, { input }) : answer.body
    },
  }
  return withInputCheck(tool, compileSchema)
}

/** Everything up to the path stands as it is. */
const FIXED_HOST = /^https?:\/\/[^/{}?#]+(?:[/?#]|$)/i

type SecretHeader = readonly [name: string, reference: SecretReference]

const secretsIn = ({ headers = {} }: HttpToolSpec): SecretHeader[] =>
  Object.entries(headers).flatMap(([name, value]) =>
    isSecretReference(value) ? [[name.toLowerCase(), value] as const] : [],
  )

/** Of the values alone: what is put before them is no secret. */
const redactOf = (headers: readonly SecretHeader[], revealed: Readonly<Record<string, string>>) =>
  makeRedact(headers.map(([name, { prefix = '' }]) => (revealed[name] ?? '').slice(prefix.length)))

const compileHeaders = (spec: HttpToolSpec, compileTemplate: CompileTemplate) => {
  const templates = Object.entries(spec.headers ?? {}).flatMap(([name, source]) => {
    if (isSecretReference(source)) return []
    const template = part(spec, `headers.${name}`, () => compileTemplate(source, { strict: true }))
    return [{ name: name.toLowerCase(), template }]
  })
  return async (input: Json): Promise<Record<string, string>> => {
    const headers: Record<string, string> = {}
    for (const { name, template } of templates) headers[name] = await template.render(fieldsOf(input))
    return headers
  }
}

interface Body {
  readonly body?: string
  readonly type?: string
}

const compileBody = (
  spec: HttpToolSpec['body'],
  method: string,
  compileTemplate: CompileTemplate,
): ((input: Json) => Promise<Body>) => {
  if (spec === null || (spec === undefined && !METHODS_WITH_BODY.includes(method))) return async () => ({})
  if (spec === undefined) return async (input) => ({ body: JSON.stringify(input), type: JSON_TYPE })
  if ('template' in spec) {
    const template = compileTemplate(spec.template)
    return async (input) => ({ body: await template.render(fieldsOf(input)), type: TEXT_TYPE })
  }
  const expression = compileJsonata(spec.jsonata)
  return async (input) => {
    const value = await expression.evaluate(input, {})
    return typeof value === 'string'
      ? { body: value, type: TEXT_TYPE }
      : { body: JSON.stringify(value), type: JSON_TYPE }
  }
}

/** Says which part of which tool is wrong. */
const part = <T>(spec: HttpToolSpec, field: string, make: () => T): T => {
  try {
    return make()
  } catch (error) {
    if (error instanceof AppError) throw invalid(spec, field, error.message, error)
    throw error
  }
}

const invalid = (spec: HttpToolSpec, field: string, message: string, cause?: unknown): AppError =>
  toolErrors.tool_invalid(`tool ${spec.name}: ${field}: ${message}`, {
    findings: [{ path: `/${field}`, message }],
    cause,
  })

/** What a template sees of an input that is no object. */
const fieldsOf = (input: Json): JsonObject =>
  typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { input }
