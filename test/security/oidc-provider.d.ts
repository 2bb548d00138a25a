/** What the tests use of the provider, which comes without types. */
declare module 'oidc-provider' {
  import type { Server } from 'node:http'

  interface Options {
    clients: object[]
    pkce: { required: () => boolean }
    claims: Record<string, string[]>
    findAccount: (context: unknown, id: string) => { accountId: string; claims: () => Promise<object> }
    cookies: { keys: string[] }
  }

  export default class Provider {
    constructor(issuer: string, options: Options)
    listen(port: number, host: string, done: () => void): Server
  }
}
