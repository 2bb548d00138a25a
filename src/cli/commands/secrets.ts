/** `aidos secrets`: the secret store, and the key under which everything in it lies. */
import { setTimeout as pause } from 'node:timers/promises'
import { age, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { CommandCall, Options } from '../command.ts'
import { cliErrors } from '../errors.ts'
import { readAll, readHidden, readText } from '../input.ts'
import { nounCommand } from '../noun-command.ts'

const PROJECT: Options = { project: { type: 'text', value: 'ID', about: 'The secret of this project.' } }

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().secrets.list(pageOf(call))
  return showPage(call, page, 'no secrets', [
    { title: 'NAME', of: (row) => row.name },
    { title: 'PROJECT', of: (row) => row.projectId },
    { title: 'VERSION', of: (row) => row.version },
    { title: 'MAY GO TO', of: (row) => row.hosts.join(' ') || 'anywhere' },
    { title: 'CHANGED', of: (row) => age(row.updatedAt) },
  ])
}

const set = async (call: CommandCall): Promise<number> => {
  const file = call.text('file')
  // Never an argument: those are seen by others on the machine and kept by shells.
  const { io } = call
  const typed = (): Promise<string> => readHidden(io, `value of ${call.args[0]} (not shown; Enter ends it): `)
  const text = file !== undefined ? await readText(file) : await (io.stdin.isTTY ? typed() : readAll(io.stdin))
  if (text === '') throw cliErrors.input_invalid('the value is empty: give it on standard input, or by --file FILE')
  const hosts = call.list('host')
  const secret = await call
    .client()
    .secrets.set(
      call.args[0] ?? '',
      { value: text.replace(/\r?\n$/, ''), ...(hosts.length > 0 && { hosts }) },
      { projectId: call.text('project') },
    )
  call.show(secret, () => `${secret.name} is stored, version ${secret.version}`)
  return 0
}

const remove = async (call: CommandCall): Promise<number> => {
  const [name = ''] = call.args
  await call.client().secrets.remove(name, { projectId: call.text('project') })
  call.show({ name }, () => `${name} is removed`)
  return 0
}

/** The file that the server reads its keys from, on this machine. */
const keyFileOf = async (call: CommandCall): Promise<string> => {
  const { embeddedKeyFile } = await import('../../app/secret-key.ts')
  const { env } = call.io
  if ((env.AIDOS_SECRET_KEY ?? '') !== '') {
    throw cliErrors.usage_invalid(
      'the key is set by AIDOS_SECRET_KEY: put a new one before it (NEW,OLD), start the servers again, and call this without --new-key',
    )
  }
  const named = call.text('key-file') ?? (env.AIDOS_SECRET_KEY_FILE || undefined)
  return named ?? embeddedKeyFile(call.text('data-dir') ?? (env.AIDOS_DATA_DIR || '.aidos'))
}

/** Every process reads the file again within a second; what is just being written under the key before is there, too, by then. */
const SETTLED_MS = 2000

/** Until nothing is left under another key. Adds to `total` how many were, by kind; returns the id of the key. */
const resealAll = async (call: CommandCall, total: Record<string, number>): Promise<string> => {
  for (;;) {
    const { keyId, isDone, resealed } = await call.client().secrets.rotate()
    for (const [name, count] of Object.entries(resealed)) total[name] = (total[name] ?? 0) + count
    if (isDone) return keyId
  }
}

const rotate = async (call: CommandCall): Promise<number> => {
  const { addSecretKey, dropOldSecretKeys, sealsFirst } = await import('../../app/secret-key.ts')
  const file = call.flag('new-key') ? await keyFileOf(call) : undefined
  if (file !== undefined) addSecretKey(file)
  const total: Record<string, number> = {}
  await resealAll(call, total)
  await pause(SETTLED_MS)
  const keyId = await resealAll(call, total)
  let dropped = 0
  if (file !== undefined) {
    // Another key than the file's: its old ones may be all that opens what lies elsewhere.
    if (!sealsFirst(file, keyId)) {
      throw cliErrors.usage_invalid(
        `the server does not read ${file}: it seals under another key (${keyId}); nothing was taken out of the file, which has a new key before the old ones`,
      )
    }
    dropped = dropOldSecretKeys(file)
  }
  call.show({ keyId, resealed: total, dropped }, () => {
    const counts = Object.entries(total).map(([name, count]) => `${count} ${name}`)
    const old = dropped > 0 ? `; ${dropped} old ${dropped === 1 ? 'key is' : 'keys are'} gone from ${file}` : ''
    return `everything is under the key ${keyId} (${counts.join(', ')} changed)${old}`
  })
  return 0
}

export const secretsCommand = nounCommand({
  name: 'secrets',
  summary: 'Store secrets, and change the key they lie under',
  about: `Skills, agents and channels name a secret ({ "$secret": "NAME" }) instead of holding it. Its value is never shown again. rotate puts
everything that is sealed under the newest key; broken off, it goes on when it is called again.`,
  options: PAGE_OPTIONS,
  examples: [
    { line: 'secrets set STRIPE --host api.stripe.com < key.txt', about: 'The value comes from standard input.' },
    { line: 'secrets rotate --new-key', about: 'On the machine of an embedded server: a new key, all at once.' },
  ],
  listSummary: 'List secrets, never their values',
  list,
  commands: [
    {
      name: 'set',
      summary: 'Store a secret, or give it another value',
      usage: 'NAME [--host HOST]… [--file FILE]',
      takes: [1, 1],
      options: {
        host: { type: 'list', value: 'HOST', about: 'Where it may be sent: api.example.org, *.example.org.' },
        file: {
          type: 'text',
          value: 'FILE',
          about: 'Read the value from it. Else it is typed unseen, or comes from standard input.',
        },
        ...PROJECT,
      },
      run: set,
    },
    {
      name: 'remove',
      summary: 'Remove a secret',
      usage: 'NAME',
      takes: [1, 1],
      options: PROJECT,
      run: remove,
    },
    {
      name: 'rotate',
      summary: 'Put everything that is sealed under the newest key',
      usage: '[--new-key [--key-file FILE]]',
      options: {
        'new-key': {
          type: 'flag',
          about: 'First put a fresh key into the file, and at the end take the old ones out.',
        },
        'key-file': {
          type: 'text',
          value: 'FILE',
          about: 'Else AIDOS_SECRET_KEY_FILE, else secret.key in the data folder.',
        },
      },
      run: rotate,
    },
  ],
})
