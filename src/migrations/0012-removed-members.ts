/** Finds what notifications hold for one member, so that it ends with the member. */
import type { Migration } from '../platform/db/migrate.ts'

export const removedMembers: Migration = {
  name: '0012-removed-members',
  statements: () => [
    'CREATE INDEX idx_inbox_member ON inbox (tenant_id, member_id) WHERE member_id IS NOT NULL',
    'CREATE INDEX idx_subscriptions_member ON subscriptions (tenant_id, member_id) WHERE member_id IS NOT NULL',
    `CREATE INDEX idx_deliveries_member ON deliveries (tenant_id, member_id)
      WHERE member_id IS NOT NULL AND status = 'pending'`,
  ],
}
