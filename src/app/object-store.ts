/** The object store of distributed Maps, as the configuration names it. */

import type { Config } from '../config.ts'
import type { Clock } from '../platform/clock.ts'
import { AppError } from '../platform/errors.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import { makeS3Client } from '../platform/s3/client.ts'
import type { WorkflowServiceOptions } from '../workflows/index.ts'
import { hostOf } from './identity.ts'

/** A large object may take its time. */
const TIMEOUT_MS = 1_800_000
const OBJECT_BYTES = 5 * 1024 ** 3

export interface ObjectStore {
  readonly s3: WorkflowServiceOptions['s3']
  stop(): Promise<void>
}

export interface ObjectStoreOptions {
  readonly config: Config
  readonly clock: Clock
  operatorId(): string | undefined
}

/** Without `S3_ENDPOINT` there is none. The operator's tenant sees whole buckets, any other only its own part of them. */
export const makeObjectStore = ({ config, clock, operatorId }: ObjectStoreOptions): ObjectStore => {
  const { S3_ENDPOINT: endpoint, S3_REGION: region, S3_ACCESS_KEY_ID: accessKeyId, OUTBOUND_ALLOW } = config
  if (endpoint === '') return { s3: undefined, stop: async () => undefined }
  if (accessKeyId === '' || config.S3_SECRET_ACCESS_KEY === '') {
    throw new AppError('config_invalid', 'S3_ENDPOINT is set; S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY must be too')
  }
  // The operator's own store may stand beside AIDOS, where nothing else may be called.
  const allow = [...OUTBOUND_ALLOW, hostOf(endpoint)]
  const outbound = makeOutbound({ allow, timeoutMs: TIMEOUT_MS, maxResponseBytes: OBJECT_BYTES })
  const secretAccessKey = config.S3_SECRET_ACCESS_KEY
  const client = makeS3Client({ endpoint, region, accessKeyId, secretAccessKey, outbound, clock })
  const prefixOf = (tenantId: string): string => (tenantId === operatorId() ? '' : `tenants/${tenantId}/`)
  return { s3: { client, prefixOf }, stop: () => outbound.stop() }
}
