/** The model stand-in as a program of its own. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { messageOf } from '../../platform/errors.ts'
import { defaultScript, type StandInScriptInput } from './script.ts'
import { makeModelStandIn } from './stand-in.ts'

const HELP = `The model stand-in: speaks the OpenAI chat-completions protocol on 127.0.0.1 and answers by a script.
It is no model. It serves tests, and trying things out where no model is at hand.

  node src/agents/stand-in/main.ts [--port PORT] [--script FILE]

  --port PORT     the port to listen on; a free one if left out
  --script FILE   the script, in JSON or YAML; if left out, it answers anything, and says that it is no model
  --help          this text

A script is a list of rules; the first that fits a conversation makes the reply. A text {% … %} is a JSONata expression
over the conversation (last, data, results, turn, tools, schema, system, messages, model):

  rules:
    - when: { lastMessage: weather, turn: 1 }
      reply: { toolCalls: [{ name: weather, input: { city: Bonn } }] }
    - when: { tool: weather }
      reply: { text: '{% "It is " & results[-1].value.sky & "." %}' }
      fault: { status: 429, retryAfterS: 1, times: 2 }

Faults: status, retryAfterS, slowMs, breakAfterChunks, malformed (body, toolInput); in a rule, or under "faults" by the
number of the call (calls: [1, 5], every: 10).

GET /stand-in/calls tells what was asked; with ?key=KEY, how often with this Idempotency-Key.
`

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, script: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const port = Number(values.port ?? 0)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`--port must be a port, was ${values.port}`)
  const script = values.script ? (parse(await readFile(values.script, 'utf8')) as StandInScriptInput) : defaultScript
  const standIn = await makeModelStandIn({ port, script })
  process.stdout.write(`the model stand-in listens at ${standIn.url}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.stop())
}

main().catch((error) => {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exitCode = 1
})
