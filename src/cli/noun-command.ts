/** Commands about one kind of thing: `aidos agents` alone is `aidos agents list`, and what else can be done stands beside it. */
import type { Command } from './command.ts'

export interface NounCommand extends Omit<Command, 'run' | 'usesServer'> {
  readonly list: NonNullable<Command['run']>
  /** One line for the list among the others. */
  readonly listSummary: string
}

/** All of them talk to a server. */
export const nounCommand = ({ list, listSummary, commands = [], ...noun }: NounCommand): Command => {
  const { usage, options } = noun
  const listCommand: Command = { name: 'list', summary: listSummary, usage, options, usesServer: true, run: list }
  const others = commands.map((command) => ({ usesServer: true, ...command }))
  return { ...noun, usesServer: true, run: list, commands: [listCommand, ...others] }
}
