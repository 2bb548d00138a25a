/** The builtin skill `data`: values out of other values. */
import type { Json } from '../../platform/json.ts'
import { compileJsonata } from '../../platform/jsonata.ts'
import type { BuiltinSkill, Tool } from '../tool.ts'

export const makeDataSkill = (): BuiltinSkill => ({
  name: 'data',
  description: 'Selects, groups, sorts, counts and reshapes JSON.',
  tools: [transform],
})

const transform: Tool = {
  name: 'transform',
  description:
    'Evaluates a JSONata expression, for example "$sum(items.price)", over "input" and returns the result. The fields of "variables" can be used as $name.',
  inputSchema: {
    type: 'object',
    required: ['expression'],
    additionalProperties: false,
    properties: { expression: { type: 'string' }, input: {}, variables: { type: 'object' } },
  },
  async run(call) {
    const { expression, input, variables } = call as {
      expression: string
      input?: Json
      variables?: Record<string, Json>
    }
    return compileJsonata(expression).evaluate(input ?? null, variables ?? {})
  },
}
