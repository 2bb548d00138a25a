#!/usr/bin/env bash
# Makes one Redis Cluster of the six nodes: three primaries, each with a replica. The password is in REDISCLI_AUTH.
# Where they are one already, it makes them known to each other again: containers may have come back with other addresses.
set -euo pipefail

nodes=(${REDIS_NODES:-redis-1 redis-2 redis-3 redis-4 redis-5 redis-6})
addresses=()
for node in "${nodes[@]}"; do addresses+=("$(getent hosts "$node" | awk '{ print $1 }')"); done

if redis-cli -h "${nodes[0]}" cluster info | grep -q '^cluster_known_nodes:1\b'; then
  # By address: nodes of a cluster cannot be made known to each other by name.
  redis-cli --cluster create "${addresses[@]/%/:6379}" --cluster-replicas 1 --cluster-yes
else
  for node in "${nodes[@]}"; do
    for address in "${addresses[@]}"; do redis-cli -h "$node" cluster meet "$address" 6379 > /dev/null; done
  done
fi
until redis-cli -h "${nodes[0]}" cluster info | grep -q 'cluster_state:ok'; do sleep 0.5; done
redis-cli -h "${nodes[0]}" cluster nodes
