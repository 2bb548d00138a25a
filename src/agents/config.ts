/** What an agent is made of: the form of a version's configuration, and the checks that need nothing but itself. */
import { z } from 'zod'
import { parseDuration } from '../engine/index.ts'
import type { Finding } from '../platform/errors.ts'
import { durationSchema, jsonSchema } from '../platform/http/views.ts'
import { secretReferenceSchema } from '../secrets/index.ts'
import { agentErrors } from './errors.ts'

const isDuration = (value: string | number): boolean => {
  try {
    return parseDuration(value) > 0
  } catch {
    return false
  }
}

const modelSchema = z
  .strictObject({
    baseUrl: z
      .url({ protocol: /^https?$/ })
      .max(2000)
      .optional()
      .describe(
        'An OpenAI-compatible service, up to and with its version: `https://…/v1`. Left out: the default model.',
      ),
    name: z.string().min(1).max(200).optional().describe('The model. Left out: the default one.'),
    apiKey: secretReferenceSchema
      .optional()
      .describe("Its key. Left out: none, or the operator's for the default model."),
    temperature: z.number().min(0).max(2).optional(),
    maxOutputTokens: z.int().min(1).optional().describe('Of one turn.'),
  })
  .refine(({ baseUrl, name }) => baseUrl === undefined || name !== undefined, {
    path: ['name'],
    error: 'must be given along with baseUrl: the default model is of another service',
  })

export const agentConfigSchema = z.strictObject({
  model: modelSchema.default({}),
  instructions: z.string().min(1).max(100_000),
  skills: z
    .array(z.string().min(1).max(300))
    .max(100)
    .default([])
    .describe(
      'What it may use: `NAME`, `NAME/TOOL`, with `@VERSION` after the name where it is not to be the current one.',
    ),
  output: z
    .record(z.string(), jsonSchema)
    .optional()
    .describe('A JSON Schema: the answer is JSON that follows it. Left out: the answer is text.'),
  budgets: z
    .strictObject({
      turns: z.int().min(1).max(1000).default(20).describe('Answers of the model.'),
      tokens: z.int().min(1).optional().describe('In and out, over all turns.'),
      wallTime: durationSchema
        .refine(isDuration, 'must be milliseconds, or a text such as "10 minutes"')
        .optional()
        .describe('From the start of the run.'),
    })
    .prefault({}),
})

export type AgentConfig = z.output<typeof agentConfigSchema>
/** As it is written, with what has a default left out. */
export type AgentConfigInput = z.input<typeof agentConfigSchema>

export const configInvalid = (findings: readonly Finding[]): Error => {
  const shown = findings.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return agentErrors.agent_config_invalid(`the agent's configuration is wrong: ${shown}`, { findings })
}

/** Throws `agent_config_invalid`. */
export const parseConfig = (value: unknown): AgentConfig => {
  const parsed = agentConfigSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw configInvalid(
    parsed.error.issues.map(({ path, message, code }) => ({ path: ['config', ...path].join('.'), message, code })),
  )
}
