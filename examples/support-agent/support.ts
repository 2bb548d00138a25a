/** An agent that answers questions about parcels with two tools: one of its own, one that comes with the system. */
import { agent, functionSkill } from '#sdk'

export const parcels = functionSkill({
  name: 'parcels',
  description: 'What is known about parcels.',
  tools: [
    {
      name: 'find',
      description: 'Finds a parcel by its number: where it is, and the fees that are still to be paid on it, in cents.',
      inputSchema: { type: 'object', required: ['number'], properties: { number: { type: 'string' } } },
      run: ({ number }: { number: string }) => {
        const known: Record<string, { place: string; fees: number[] }> = {
          'P-7': { place: 'the depot in Bonn', fees: [350, 120] },
          'P-8': { place: 'the neighbour at number 12', fees: [] },
        }
        return known[number] ?? { place: null, fees: [] }
      },
    },
  ],
})

export const support = agent({
  name: 'support',
  config: {
    instructions: `You answer customers about their parcels. Find the parcel with parcels/find. If fees are to be paid, add them up with
data/transform (expression "$sum(fees)") rather than in your head. Answer in one or two friendly sentences. Say so when there is no such parcel.`,
    skills: ['parcels/find', 'data/transform'],
    budgets: { turns: 6, wallTime: '2 minutes' },
  },
})
