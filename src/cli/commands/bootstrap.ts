/** `aidos bootstrap`: prepares the database of a cluster before its first process starts. */
import type { Command, CommandCall } from '../command.ts'
import { ENV_FILE } from '../help.ts'

const DEFAULT_WAIT_S = 10

const printNewKey = async (call: CommandCall): Promise<number> => {
  const { makeKey } = await import('../../tenants/index.ts')
  const { makeIdGenerator } = await import('../../platform/ids.ts')
  const { key } = makeKey(makeIdGenerator()())
  call.show({ key }, () => key)
  return 0
}

const run = async (call: CommandCall): Promise<number> => {
  if (call.flag('new-key')) return printNewKey(call)
  const { bold, dim } = call.style
  const { readConfig } = await import('../../config.ts')
  const { makeLog } = await import('../../platform/log.ts')
  const { bootstrap } = await import('../../app/bootstrap.ts')
  const config = readConfig(call.io.env)
  const done = await bootstrap({
    config,
    log: makeLog(config.LOG_LEVEL),
    signal: call.io.stopSignal({ outlivesReader: true }),
    waitMs: (call.integer('wait', 0) ?? DEFAULT_WAIT_S) * 1000,
  })
  const { tenantId, migrated, owner, key } = done
  call.show({ tenantId, migrated, owner, key: key ?? null }, () => {
    const tables = migrated.length > 0 ? 'the tables are made' : 'the tables were there'
    const said = {
      made: `${bold('owner key')}  ${key}  ${dim('shown this once: keep it')}`,
      given: 'the given owner key counts from now on',
      known: dim('there is an owner key already; none was made'),
    }
    return `${tables}, tenant ${tenantId}\n${said[owner]}`
  })
  return 0
}

export const bootstrapCommand: Command = {
  name: 'bootstrap',
  summary: "Make the tables, the first tenant and the owner's key, before a cluster starts",
  usage: '[--wait SECONDS] | --new-key',
  about: `Run it as often as you like: what is there stays. The key is shown once, unless you gave one by AIDOS_OWNER_KEY or
AIDOS_OWNER_KEY_FILE, as a secret of your cluster: then that one counts. It needs the settings of the database alone.`,
  options: {
    ...ENV_FILE,
    wait: {
      type: 'text',
      value: 'SECONDS',
      about: `How long to wait for the database; ${DEFAULT_WAIT_S} if left out.`,
    },
    'new-key': { type: 'flag', about: 'Print a key that can be given, and do nothing else: no database is needed.' },
  },
  examples: [
    { line: 'bootstrap', about: 'Prepare the database that DB_… leads to.' },
    { line: 'bootstrap --new-key', about: 'A key for the secret store, before there is a database.' },
  ],
  next: ['aidos start            start a process of the cluster'],
  run,
}
