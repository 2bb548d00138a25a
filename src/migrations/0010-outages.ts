/** Which outages of a database were told of: so that of all processes that saw one, one tells. */
import type { Migration } from '../platform/db/migrate.ts'

export const outages: Migration = {
  name: '0010-outages',
  statements: () => ['CREATE TABLE shard_outages (shard TEXT PRIMARY KEY, until_at BIGINT NOT NULL)'],
}
