/** The builtin skill `text`: texts out of templates. */
import type { JsonObject } from '../../platform/json.ts'
import type { BuiltinSkill, Tool } from '../tool.ts'
import { type CompileTemplate, makeTemplateCompiler } from './template.ts'

export const makeTextSkill = (): BuiltinSkill => ({
  name: 'text',
  description: 'Texts out of Liquid templates.',
  tools: [makeTemplateTool(makeTemplateCompiler())],
})

const makeTemplateTool = (compile: CompileTemplate): Tool => ({
  name: 'template',
  description:
    'Renders a Liquid template, for example "Dear {{ name }}", with the fields of "data" as its variables, and returns the text. With "strict", a variable that is not there is an error.',
  inputSchema: {
    type: 'object',
    required: ['template'],
    additionalProperties: false,
    properties: { template: { type: 'string' }, data: { type: 'object' }, strict: { type: 'boolean' } },
  },
  async run(input) {
    const { template, data = {}, strict = false } = input as { template: string; data?: JsonObject; strict?: boolean }
    return compile(template, { strict }).render(data)
  },
})
