/** The secret store: what other domains may use. */
export { makeRedact } from './redact.ts'
export { isSecretReference, SECRET_REFERENCE, secretReferenceSchema } from './reference.ts'
export { makeRotation } from './rotation.ts'
export { makeSecretRoutes } from './routes.ts'
export { makeSecretService } from './service.ts'
export type { RevealRequest, RevealSecret, SecretReference } from './types.ts'
