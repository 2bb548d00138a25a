/** Opens connections to allowed addresses only. The check is made on the very addresses that are then connected to. */
import dns from 'node:dns/promises'
import net from 'node:net'
import { buildConnector } from 'undici'
import { outboundErrors } from './errors.ts'
import type { OutboundPolicy } from './policy.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

/** All addresses of a name. */
export type Lookup = (hostname: string) => Promise<readonly ResolvedAddress[]>

export const systemLookup: Lookup = (hostname) => dns.lookup(hostname, { all: true, order: 'verbatim' })

/**
 * A name is resolved once for each connection, and what the policy refuses is taken out of the answer: a name that resolves
 * to something else the next time (DNS rebinding) gains nothing.
 */
export const makeGuardedConnect = (
  policy: OutboundPolicy,
  lookup: Lookup,
  timeoutMs: number,
): buildConnector.connector => {
  const resolveWhere = (allows: (address: string) => boolean): net.LookupFunction => {
    const resolve = async (hostname: string): Promise<ResolvedAddress[]> => {
      const addresses = await lookup(hostname)
      if (addresses.length === 0) throw new Error(`${hostname} has no address`)
      const allowed = addresses.filter(({ address }) => allows(address))
      if (allowed.length === 0) throw blocked(hostname)
      return allowed
    }
    return (hostname, options, callback) => {
      resolve(hostname).then(
        (found) => (options.all ? callback(null, found) : callback(null, found[0]!.address, found[0]!.family)),
        (error) => callback(error, ''),
      )
    }
  }
  const common = { allowH2: false, timeout: timeoutMs, autoSelectFamily: true }
  const guarded = buildConnector({
    ...common,
    lookup: resolveWhere(policy.allowsAddress),
  } as buildConnector.BuildOptions)
  const open = buildConnector({ ...common, lookup: resolveWhere(() => true) } as buildConnector.BuildOptions)
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80)
    if (policy.allowsHost(options.hostname, port)) open(options, callback)
    else if (net.isIP(options.hostname) !== 0 && !policy.allowsAddress(options.hostname))
      callback(blocked(options.hostname), null)
    else guarded(options, callback)
  }
}

/** Tells nothing of what a name resolves to: that is the network's own business. */
const blocked = (hostname: string) =>
  outboundErrors.outbound_blocked(`${hostname} is not a public address, and OUTBOUND_ALLOW does not name it`)
