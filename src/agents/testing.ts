/** What the tests of agents share: skills that know a few tools, and a model client that may call this machine. */
import { makeOutbound } from '../platform/outbound/outbound.ts'
import type { RevealSecret } from '../secrets/index.ts'
import { makeSchemaCompiler, skillReferenceErrors, type ToolInfo } from '../skills/index.ts'
import { type ModelClient, makeModelClient } from './model/client.ts'
import type { SkillTools } from './types.ts'

export const compileSchema = makeSchemaCompiler()

/** Every secret is there, and says which one it is. */
export const revealSecret: RevealSecret = async ({ reference }) => `value-of-${reference.$secret}`

/** A tool of the skill `SKILL` as `skill:SKILL/TOOL` that takes the given fields, all texts, all needed. */
export const tool = (skill: string, name: string, ...fields: string[]): ToolInfo => ({
  kind: `skill:${skill}/${name}`,
  name: `${skill}__${name}`,
  description: `Does ${name}.`,
  inputSchema: {
    type: 'object',
    required: fields,
    properties: Object.fromEntries(fields.map((field) => [field, { type: 'string' }])),
    additionalProperties: false,
  },
})

/** Finds tools by the name of their skill. */
export const makeSkillTools = (...tools: ToolInfo[]): SkillTools => ({
  async toolsFor(_, refs) {
    return refs.flatMap((ref) => {
      const found = tools.filter(({ kind }) => kind.startsWith(`skill:${ref}/`))
      if (found.length === 0) throw skillReferenceErrors.skill_not_found(`there is no skill "${ref}"`)
      return found
    })
  },
})

export const makeTestModel = (): { model: ModelClient; stop(): Promise<void> } => {
  const outbound = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 5000, maxResponseBytes: 1_000_000 })
  return { model: makeModelClient({ fetch: outbound.asFetch() }), stop: () => outbound.stop() }
}
