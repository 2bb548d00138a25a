/** The agent that reads the grouped licences and writes down what a person must know before approving. */
import { agent } from '#sdk'

export const auditor = agent({
  name: 'licence-auditor',
  config: {
    instructions: `You are a licence auditor. You are given the licences of a project's installed packages, grouped, each with its family
(permissive, copyleft or unclear). Call the tool "duties" for each licence, all in one turn. Then answer with a short summary and
one finding for each licence: the risk (none for a permissive one, else low, medium or high), the licence, and what has to be done about
how many packages; name the packages where there is a risk. Invent nothing.`,
    skills: ['licences/duties'],
    output: {
      type: 'object',
      required: ['summary', 'findings'],
      additionalProperties: false,
      properties: {
        summary: { type: 'string' },
        findings: {
          type: 'array',
          items: {
            type: 'object',
            required: ['risk', 'licence', 'finding'],
            additionalProperties: false,
            properties: {
              risk: { enum: ['none', 'low', 'medium', 'high'] },
              licence: { type: 'string' },
              finding: { type: 'string' },
            },
          },
        },
        writtenBy: { type: 'string', description: 'Who wrote this.' },
      },
    },
    budgets: { turns: 6, wallTime: '5 minutes' },
  },
})
