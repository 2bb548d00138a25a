/** The checks of an agent's configuration that need others: its skills exist, its schema is one. */
import { type AppError, type Finding, messageOf } from '../platform/errors.ts'
import { type AgentConfig, configInvalid } from './config.ts'
import type { CompileSchema } from './model/output.ts'
import type { ToolInfo } from './types.ts'

export interface ConfigChecks {
  readonly compileSchema: CompileSchema
  toolsFor(refs: readonly string[]): Promise<readonly ToolInfo[]>
}

/** Throws `agent_config_invalid`, or the error of the skills, which names the one that is not there. */
export const checkConfig = async (config: AgentConfig, { compileSchema, toolsFor }: ConfigChecks): Promise<void> => {
  const findings: Finding[] = []
  if (config.output) {
    try {
      compileSchema(config.output)
    } catch (error) {
      findings.push({ path: 'config.output', message: messageOf(error), code: (error as AppError).code })
    }
  }
  const tools = config.skills.length > 0 ? await toolsFor(config.skills) : []
  for (const name of ambiguous(tools)) {
    findings.push({
      path: 'config.skills',
      message: `the model could not tell several tools of the name ${name} apart`,
    })
  }
  if (findings.length > 0) throw configInvalid(findings)
}

/** Names that stand for more than one task; the same tool named twice does no harm. */
const ambiguous = (tools: readonly ToolInfo[]): Set<string> => {
  const kinds = new Map<string, string>()
  const found = new Set<string>()
  for (const { name, kind } of tools) {
    if ((kinds.get(name) ?? kind) !== kind) found.add(name)
    kinds.set(name, kind)
  }
  return found
}
