/** The checks of an agent's configuration that need others: its skills exist, its schema is one. */
import { AppError, messageOf } from '../platform/errors.ts'
import type { CompileSchema } from '../skills/index.ts'
import { type AgentConfig, configInvalid } from './config.ts'

export interface ConfigChecks {
  readonly compileSchema: CompileSchema
  toolsFor(references: readonly string[]): Promise<unknown>
}

/** Throws `agent_config_invalid`, or the error of the skills, which names the one that is not there. */
export const checkConfig = async (config: AgentConfig, { compileSchema, toolsFor }: ConfigChecks): Promise<void> => {
  if (config.output) {
    try {
      compileSchema(config.output)
    } catch (error) {
      const code = error instanceof AppError ? { code: error.code } : {}
      throw configInvalid([{ path: 'config.output', message: messageOf(error), ...code }])
    }
  }
  await toolsFor(config.skills)
}
