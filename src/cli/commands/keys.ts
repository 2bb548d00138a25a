/** `aidos keys`: API keys. */
import type { KeyView } from '../../sdk/views.ts'
import { age, PAGE_OPTIONS, pageOf, showPage } from '../columns.ts'
import type { CommandCall } from '../command.ts'
import { nounCommand } from '../noun-command.ts'

const ROLES = ['owner', 'admin', 'operator', 'developer', 'viewer'] as const

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().keys.list(pageOf(call))
  const stateOf = ({ revokedAt, expiresAt }: KeyView): string => {
    if (revokedAt) return 'revoked'
    return expiresAt && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'good'
  }
  return showPage(call, page, 'no keys', [
    { title: 'KEY', of: (row) => row.id },
    { title: 'NAME', of: (row) => row.name },
    { title: 'STATE', of: stateOf },
    { title: 'MAY', of: (row) => row.role ?? row.scopes.join(' ') },
    { title: 'LAST USED', of: (row) => age(row.lastUsedAt) },
  ])
}

const create = async (call: CommandCall): Promise<number> => {
  const scopes = call.list('scope')
  const key = await call.client().keys.create({
    name: call.args[0] ?? '',
    role: call.text('role'),
    scopes: scopes.length > 0 ? scopes : undefined,
    projectId: call.text('project'),
    expiresAt: call.text('expires'),
  })
  call.show(key, () => {
    const may = key.role ?? key.scopes.join(' ')
    const all = may === '*' ? ': everything; --role or --scope make one that may do less' : ''
    return `${key.key}\n${call.style.dim(`key ${key.id}: shown this once; keep it safe\nit may: ${may}${all}`)}`
  })
  return 0
}

const rotate = async (call: CommandCall): Promise<number> => {
  const key = await call.client().keys.rotate(call.args[0] ?? '', { keepOldHours: call.integer('keep-old', 0) })
  call.show(key, () => {
    const hint = `key ${key.id}: shown this once; the secret before counts until ${key.previousUntil}`
    return `${key.key}\n${call.style.dim(hint)}`
  })
  return 0
}

const revoke = async (call: CommandCall): Promise<number> => {
  const key = await call.client().keys.revoke(call.args[0] ?? '')
  call.show(key, () => `key ${key.id} (${key.name}) is revoked`)
  return 0
}

export const keysCommand = nounCommand({
  name: 'keys',
  summary: 'List, make, rotate and revoke API keys',
  about:
    'A key speaks for one tenant, may be bound to a project, and may do what its scopes allow. Its secret is shown once.',
  options: PAGE_OPTIONS,
  examples: [
    {
      line: "keys create ci --scope 'runs:*' --scope workflows:read",
      about: 'A key that can run workflows and no more.',
    },
    { line: 'keys create watcher --role viewer', about: 'A key that follows what viewers may do.' },
    { line: 'keys rotate ID --keep-old 48', about: 'Another secret; the one before counts for two days more.' },
    { line: 'keys revoke ID', about: 'It is refused from now on.' },
  ],
  listSummary: 'List keys, never their secrets',
  list,
  commands: [
    {
      name: 'create',
      summary: 'Make a key',
      usage: 'NAME [--role ROLE | --scope S…] [--expires DATE]',
      takes: [1, 1],
      options: {
        role: { type: 'text', value: 'ROLE', about: 'Instead of scopes:', choices: ROLES },
        scope: { type: 'list', value: 'S', about: '*, *:read, runs:*, runs:read, …; all if none is given.' },
        project: { type: 'text', value: 'ID', about: 'Bind it to one project.' },
        expires: { type: 'text', value: 'DATE', about: 'ISO 8601, such as 2030-01-01T00:00:00Z.' },
      },
      run: create,
    },
    {
      name: 'rotate',
      summary: 'Give a key another secret',
      usage: 'ID [--keep-old HOURS]',
      takes: [1, 1],
      options: { 'keep-old': { type: 'text', value: 'HOURS', about: 'How long the secret before counts too; 24.' } },
      run: rotate,
    },
    { name: 'revoke', summary: 'Refuse a key from now on', usage: 'ID', takes: [1, 1], run: revoke },
  ],
})
