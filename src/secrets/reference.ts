/** References to secrets in definitions: `{ "$secret": "NAME" }`, wherever a value would be a secret. */
import { z } from 'zod'
import { nameSchema } from '../platform/http/views.ts'
import type { SecretReference } from './types.ts'

/** Never a text: what a caller or a model puts into a text cannot become a secret. */
export const secretReferenceSchema = z
  .strictObject(
    { $secret: nameSchema, prefix: z.string().max(100).optional() },
    { error: 'must be { "$secret": "NAME" }: no key is kept in clear' },
  )
  .describe('A secret by its name, see docs/security.md; `prefix` is put before its value, such as `Bearer `.')

/** The same as JSON Schema. */
export const SECRET_REFERENCE = {
  type: 'object',
  required: ['$secret'],
  additionalProperties: false,
  properties: {
    $secret: { type: 'string', pattern: '^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$' },
    prefix: { type: 'string', maxLength: 100 },
  },
} as const

export const isSecretReference = (value: unknown): value is SecretReference =>
  typeof value === 'object' && value !== null && '$secret' in value
