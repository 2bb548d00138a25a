/** `aidos keys`: API keys. */
import type { KeyView } from '../../sdk/views.ts'
import { age, showPage } from '../columns.ts'
import type { Command, CommandCall } from '../command.ts'

const list = async (call: CommandCall): Promise<number> => {
  const page = await call.client().keys.list()
  const stateOf = ({ revokedAt, expiresAt }: KeyView): string => {
    if (revokedAt) return 'revoked'
    return expiresAt && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'good'
  }
  const columns = [
    { title: 'KEY', of: (row: KeyView) => row.id },
    { title: 'NAME', of: (row: KeyView) => row.name },
    { title: 'STATE', of: stateOf },
    { title: 'SCOPES', of: (row: KeyView) => row.scopes.join(' ') },
    { title: 'LAST USED', of: (row: KeyView) => age(row.lastUsedAt) },
  ]
  return showPage(call, page, columns, 'no keys')
}

const create = async (call: CommandCall): Promise<number> => {
  const scopes = call.list('scope')
  const key = await call.client().keys.create({
    name: call.args[0] ?? '',
    scopes: scopes.length > 0 ? scopes : undefined,
    projectId: call.text('project'),
    expiresAt: call.text('expires'),
  })
  call.show(key, () => `${key.key}\n${call.style.dim(`key ${key.id}: shown this once; keep it safe`)}`)
  return 0
}

const revoke = async (call: CommandCall): Promise<number> => {
  const key = await call.client().keys.revoke(call.args[0] ?? '')
  call.show(key, () => `key ${key.id} (${key.name}) is revoked`)
  return 0
}

export const keysCommand: Command = {
  name: 'keys',
  summary: 'List, make and revoke API keys',
  about:
    'A key speaks for one tenant, may be bound to a project, and may do what its scopes allow. Its secret is shown once.',
  usesServer: true,
  examples: [
    {
      line: "keys create ci --scope 'runs:*' --scope workflows:read",
      about: 'A key that can run workflows and no more.',
    },
    { line: 'keys revoke ID', about: 'It is refused from now on.' },
  ],
  run: list,
  commands: [
    { name: 'list', summary: 'List keys, never their secrets', usesServer: true, run: list },
    {
      name: 'create',
      summary: 'Make a key',
      usage: 'NAME [--scope S]… [--expires TIME]',
      takes: [1, 1],
      usesServer: true,
      options: {
        scope: { type: 'list', value: 'S', about: '*, *:read, runs:*, runs:read, …; all if none is given.' },
        project: { type: 'text', value: 'ID', about: 'Bind it to one project.' },
        expires: { type: 'text', value: 'TIME', about: 'ISO 8601, such as 2030-01-01T00:00:00Z.' },
      },
      run: create,
    },
    { name: 'revoke', summary: 'Refuse a key from now on', usage: 'ID', takes: [1, 1], usesServer: true, run: revoke },
  ],
}
