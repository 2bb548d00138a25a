/** For tests of distributed Maps: definitions of one Map over `items.jsonl`. */
import type { JsonObject } from '../../src/platform/json.ts'

export const TENANT = 'map-tenant'

export const mapOf = (state: JsonObject, more: JsonObject = {}): JsonObject => ({
  StartAt: 'Each',
  States: {
    Each: {
      Type: 'Map',
      ItemReader: { Resource: 'file:read', Parameters: { path: 'items.jsonl' } },
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'One',
        States: { One: { ...state, End: true } },
      },
      ...more,
      End: true,
    },
  },
})
export const pass = { Type: 'Pass' }
export const square = { Type: 'Task', Resource: 'skill:math/square' }
export const writer = { ResultWriter: { Resource: 'file:write', Parameters: { path: 'out' } } }
