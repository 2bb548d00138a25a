/** `aidos whoami`: for whom a key speaks, and what it may do. */
import type { Command } from '../command.ts'

export const whoamiCommand: Command = {
  name: 'whoami',
  summary: 'Tell for whom the key speaks, and what it may do',
  about: 'The tenant, project and role of the key in use, and every permission that it has.',
  usesServer: true,
  examples: [
    { line: 'whoami', about: "The tenant's id, as --tenant of other commands wants it." },
    { line: 'whoami --json', about: 'The same for a program.' },
  ],
  async run(call) {
    const session = await call.client().session()
    const { bold, dim } = call.style
    const lines: [string, string | null][] = [
      ['tenant', session.tenantId],
      ['project', session.projectId],
      [session.kind, `${session.name} ${dim(session.id)}`],
      ['member', session.memberId],
      ['role', session.role],
      ['may', session.permissions.join(' ')],
    ]
    call.show(session, () =>
      lines.flatMap(([name, value]) => (value === null ? [] : [`${bold(name.padEnd(8))} ${value}`])).join('\n'),
    )
    return 0
  },
}
