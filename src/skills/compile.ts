/** Makes tools of a definition that was checked. */
import type { Clock } from '../platform/clock.ts'
import type { Outbound } from '../platform/outbound/outbound.ts'
import type { RevealSecret } from '../secrets/index.ts'
import type { CompileTemplate } from './builtin/template.ts'
import { makeFunctionTool } from './function-tool.ts'
import { type HttpToolSpec, makeHttpTool } from './http-tool.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import type { Tool } from './tool.ts'
import type { CompileSchema } from './tool-input.ts'
import type { HttpDefinition, SkillDefinition } from './types.ts'

export interface CompileOptions {
  readonly sandbox: Sandbox
  readonly outbound: Outbound
  readonly revealSecret: RevealSecret
  readonly clock: Clock
  readonly compileSchema: CompileSchema
  readonly compileTemplate: CompileTemplate
  /** Of what a function returns, as JSON. */
  readonly maxOutputBytes: number
}

/** For a skill of that project. Throws `tool_invalid` or `tool_schema_invalid`. */
export const compileTools = (definition: SkillDefinition, options: CompileOptions, projectId: string | null): Tool[] =>
  'source' in definition
    ? definition.tools.map((spec) => makeFunctionTool(spec, definition, options))
    : definition.tools.map((spec) => makeHttpTool(withCommon(spec, definition), { ...options, projectId }))

/** The tool with what its skill says for all of them. */
export const withCommon = (spec: HttpToolSpec, { baseUrl, headers, timeoutMs }: HttpDefinition): HttpToolSpec => ({
  ...(timeoutMs !== undefined && { timeoutMs }),
  ...spec,
  url: spec.url.startsWith('/') && baseUrl !== undefined ? baseUrl.replace(/\/+$/, '') + spec.url : spec.url,
  headers: { ...headers, ...spec.headers },
})
