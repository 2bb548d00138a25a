#!/usr/bin/env bash
# Copies the primary at the first start, and follows it from then on.
set -euo pipefail

data=/var/lib/postgresql/data/replica
export PGPASSWORD=$REPLICATION_PASSWORD
if [[ ! -f $data/PG_VERSION ]]; then
  # What an interrupted copy left is no copy.
  rm -rf "$data" "$data.new"
  # --write-recovery-conf also makes standby.signal; the password goes into the connection string that it writes.
  pg_basebackup --host postgres --username replication --pgdata "$data.new" --slot replica --write-recovery-conf --checkpoint fast
  mv "$data.new" "$data"
fi
chmod 0700 "$data"
# At least as many connections as the primary, or it refuses to follow.
exec postgres -D "$data" -c max_connections=300 -c hot_standby=on
