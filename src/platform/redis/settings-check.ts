/** Looks whether Redis keeps what it is given: nothing thrown out when memory is full, and everything on disk. */
import { Cluster, type Redis } from 'ioredis'
import { messageOf } from '../errors.ts'
import type { RedisClient } from './client-options.ts'

interface Rule {
  readonly setting: string
  readonly wanted: string
  readonly otherwise: string
}

const RULES: readonly Rule[] = [
  {
    setting: 'maxmemory-policy',
    wanted: 'noeviction',
    otherwise: 'Redis throws queued work away when its memory is full',
  },
  { setting: 'appendonly', wanted: 'yes', otherwise: 'Redis forgets queued work when it restarts' },
]

const checkNode = async (node: Redis): Promise<string[]> => {
  const where = `${node.options.host}:${node.options.port}`
  const warnings: string[] = []
  for (const { setting, wanted, otherwise } of RULES) {
    try {
      const answer = (await node.config('GET', setting)) as readonly unknown[]
      const value = answer[1]
      if (value === undefined) {
        warnings.push(
          `Redis ${where} does not tell its "${setting}": see to it that it is "${wanted}", else ${otherwise}.`,
        )
      } else if (value !== wanted) {
        warnings.push(
          `Redis ${where} has ${setting} "${String(value)}": ${otherwise}. Set "${setting} ${wanted}" in its configuration.`,
        )
      }
    } catch (error) {
      warnings.push(
        `"${setting}" of Redis ${where} could not be checked (${messageOf(error)}): see to it that it is "${wanted}", else ${otherwise}.`,
      )
    }
  }
  return warnings
}

/** One sentence per finding; empty when all is well. A managed service may forbid to look: then it says so. */
export const checkSettings = async (client: RedisClient): Promise<string[]> => {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client]
  return (await Promise.all(nodes.map(checkNode))).flat()
}
