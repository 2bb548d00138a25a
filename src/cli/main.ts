/** The command line: finds the command, runs it, and turns whatever it throws into a message and an exit status. */
import { findCommand, readArguments } from './arguments.ts'
import { makeCall } from './call.ts'
import type { Command } from './command.ts'
import { commands } from './commands.ts'
import { errorAsJson, errorAsText, isUsageError } from './errors.ts'
import { commandHelp, generalHelp, widthOf } from './help.ts'
import type { Io } from './io.ts'
import { styleFor } from './style.ts'
import { VERSION } from './version.ts'

/** Resolves with the exit status: 0 done, 1 failed, 2 not understood, 130 broken off. Never rejects. */
export const main = async (argv: readonly string[], io: Io, table: readonly Command[] = commands): Promise<number> => {
  const isJson = argv.includes('--json')
  try {
    return await perform(argv, io, table)
  } catch (error) {
    io.stderr.write(isJson ? `${errorAsJson(error)}\n` : errorAsText(error, styleFor(io.stderr, io.env)))
    return isUsageError(error) ? 2 : 1
  }
}

const perform = async (argv: readonly string[], io: Io, table: readonly Command[]): Promise<number> => {
  const style = styleFor(io.stdout, io.env)
  const width = widthOf(io.stdout)
  const [first] = argv
  if (first === undefined || first === '--help' || first === '-h' || (first === 'help' && argv.length === 1)) {
    io.stdout.write(generalHelp(table, style, width))
    return first === undefined ? 2 : 0
  }
  if (first === '--version' || first === '-v') {
    io.stdout.write(`${VERSION}\n`)
    return 0
  }
  // "aidos help run" is "aidos run --help".
  const found = findCommand(table, first === 'help' ? [...argv.slice(1), '--help'] : argv)
  const given = readArguments(found)
  if (given.values.help || !found.command.run) {
    io.stdout.write(commandHelp(found.path, found.command, style, width))
    return given.values.help ? 0 : 2
  }
  return found.command.run(makeCall(io, given, style))
}
