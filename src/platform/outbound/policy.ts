/** Which hosts and addresses may be called: all that are public, and what the operator's allow-list names. */
import ipaddr from 'ipaddr.js'
import { outboundErrors } from './errors.ts'

export interface OutboundPolicy {
  /** Whether the operator named this host, as it stands in the URL: it is called wherever it resolves to. */
  allowsHost(hostname: string, port: number): boolean
  /** Whether an address that a name was resolved to may be connected to. */
  allowsAddress(address: string): boolean
}

type Address = ReturnType<typeof ipaddr.parse>

/**
 * An entry is a host (`db.internal`), a host with a port (`localhost:8080`, `[::1]:8080`), an address, a range
 * (`10.1.0.0/16`) or `*`. Addresses and ranges count for names that resolve to them, too; entries with a port count only for
 * URLs that have just that. Throws on an entry that is none of these.
 */
export const makeOutboundPolicy = (allow: readonly string[]): OutboundPolicy => {
  const ranges: [Address, number][] = []
  const hosts = new Set<string>()
  let everything = false
  for (const entry of allow) {
    if (entry === '*') everything = true
    else if (ipaddr.isValid(entry)) ranges.push([ipaddr.parse(entry), ipaddr.parse(entry).kind() === 'ipv4' ? 32 : 128])
    else if (ipaddr.isValidCIDR(entry)) ranges.push(ipaddr.parseCIDR(entry))
    else hosts.add(hostEntry(entry))
  }
  const allowsAddress = (text: string): boolean => {
    if (everything) return true
    // A scoped address (`fe80::1%eth0`) parses, but never is public.
    if (!ipaddr.isValid(text)) return false
    const address = ipaddr.parse(text)
    return isPublic(address) || ranges.some((range) => address.kind() === range[0].kind() && address.match(range))
  }
  return {
    allowsHost(hostname, port) {
      const host = canonicalHost(hostname)
      return everything || hosts.has(host) || hosts.has(`${host}:${port}`)
    },
    allowsAddress,
  }
}

/** Lower case, without the dot that marks a name as complete and without the brackets of IPv6. */
const canonicalHost = (hostname: string): string =>
  hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')

const hostEntry = (entry: string): string => {
  const [, hostname = '', port] = /^(\[[^\]]+\]|[^:/]+)(?::(\d{1,5}))?$/.exec(entry) ?? []
  const asUrl = `http://${hostname}/`
  if (hostname === '' || !URL.canParse(asUrl))
    throw outboundErrors.outbound_invalid(
      `${JSON.stringify(entry)} in the list of allowed hosts is no host, host:port, address, range or *`,
    )
  const host = canonicalHost(new URL(asUrl).hostname)
  return port === undefined ? host : `${host}:${Number(port)}`
}

/** Cloud platforms answer here to their own machines, though the address looks public. */
const PLATFORM_ADDRESSES = new Set(['168.63.129.16'])

/** Of IPv6, only this part is handed out for the public network; ways to wrap an IPv4 address in it are told apart below. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3')

const isPublic = (address: Address): boolean => {
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv6') return address.match(GLOBAL_IPV6)
  return !PLATFORM_ADDRESSES.has(address.toString())
}
