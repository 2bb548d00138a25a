/** Makes a tool of a function that a tenant wrote: each call is one run in the sandbox, within the skill's limits. */
import type { Json } from '../platform/json.ts'
import { DEFAULT_LIMITS } from './definition-schema.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import type { Tool } from './tool.ts'
import { type CompileSchema, withInputCheck } from './tool-input.ts'
import type { FunctionDefinition, FunctionToolSpec } from './types.ts'

export interface FunctionToolOptions {
  readonly sandbox: Sandbox
  readonly compileSchema: CompileSchema
  readonly maxOutputBytes: number
}

export const entryOf = (spec: FunctionToolSpec): string => spec.entry ?? spec.name

/** The tool rejects with `functionErrors`. What the function writes to `console` is told as the progress of the attempt. */
export const makeFunctionTool = (
  spec: FunctionToolSpec,
  { source, limits = {} }: FunctionDefinition,
  { sandbox, compileSchema, maxOutputBytes }: FunctionToolOptions,
): Tool => {
  const tool: Tool = {
    name: spec.name,
    description: spec.description,
    inputSchema: spec.inputSchema ?? { type: 'object' },
    run: (input, call) =>
      sandbox.call({
        source,
        entry: entryOf(spec),
        input,
        timeoutMs: limits.timeoutMs ?? DEFAULT_LIMITS.timeoutMs,
        memoryBytes: limits.memoryBytes ?? DEFAULT_LIMITS.memoryBytes,
        maxOutputBytes,
        signal: call.signal,
        onConsole: (lines) => call.heartbeat({ console: lines.map(({ level, text }): Json => ({ level, text })) }),
      }),
  }
  return withInputCheck(tool, compileSchema)
}
