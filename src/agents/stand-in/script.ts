/** What the model stand-in answers, as data: the first rule that fits a conversation makes the reply. */
import { z } from 'zod'
import { defineErrors } from '../../platform/errors.ts'
import type { Json } from '../../platform/json.ts'

/** What goes wrong with an answer. Several may be combined, `slowMs` with any. */
const fault = z.strictObject({
  /** An error instead of an answer. */
  status: z.int().min(400).max(599).optional(),
  /** Sent along with the status as `Retry-After`, in seconds. */
  retryAfterS: z.number().min(0).optional(),
  /** Waits so long before the answer begins. */
  slowMs: z.int().min(0).optional(),
  /** Cuts the connection after so many pieces of the answer (one that is not streamed: in the middle). */
  breakAfterChunks: z.int().min(0).optional(),
  /** `body`: the answer is no JSON. `toolInput`: the arguments of its tool calls are none. */
  malformed: z.enum(['body', 'toolInput']).optional(),
})

/** All that are given must hold. */
const condition = z.strictObject({
  model: z.string().optional(),
  /** Regular expressions over texts, in the sense of `RegExp`. */
  system: z.string().optional(),
  lastMessage: z.string().optional(),
  /** 1 for the first answer of a conversation. */
  turn: z.int().min(1).optional(),
  /** Whether the conversation ends with the result of a tool. */
  toolResults: z.boolean().optional(),
  /** The tool whose result the conversation ends with. */
  tool: z.string().optional(),
  /** Whether an answer by a JSON schema is asked for. */
  output: z.boolean().optional(),
})

const toolCall = z.strictObject({ name: z.string(), input: z.json().default({}) })

/**
 * Every text of the form `{% … %}` in a reply is replaced by the value of that JSONata expression over the conversation; see
 * `Conversation` for what it sees.
 */
const reply = z.strictObject({
  text: z.string().optional(),
  /** A list, or an expression that makes one. */
  toolCalls: z.union([z.array(toolCall), z.string()]).optional(),
  /** The answer as JSON. Where a schema is asked for and neither this nor a text is given, a sample of the schema. */
  output: z.json().optional(),
  finishReason: z.string().optional(),
})

const rule = z.strictObject({
  name: z.string().optional(),
  when: condition.default({}),
  /** The rule holds only so many times. */
  times: z.int().min(1).optional(),
  reply: reply.default({}),
  /** `times`: only on the first so many calls that the rule answers. */
  fault: fault.extend({ times: z.int().min(1).optional() }).optional(),
})

/** Faults by the number of the call (from 1), whatever rule answers it: they go before the rule's own. */
const numberedFault = fault.extend({
  calls: z.array(z.int().min(1)).optional(),
  /** Every so many calls. */
  every: z.int().min(1).optional(),
})

const script = z.strictObject({ rules: z.array(rule), faults: z.array(numberedFault).default([]) })

export type Fault = z.output<typeof fault>
export type StandInRule = z.output<typeof rule>
export type StandInReply = z.output<typeof reply>
export type StandInScript = z.output<typeof script>
/** A script as it is written, with what has a default left out. */
export type StandInScriptInput = z.input<typeof script>

const standInErrors = defineErrors({
  /** `findings` name each place. */
  stand_in_script_invalid: { status: 400 },
})

/** Throws `stand_in_script_invalid`. */
export const parseScript = (value: unknown): StandInScript => {
  const parsed = script.safeParse(value)
  if (!parsed.success) {
    const findings = parsed.error.issues.map(({ path, message }) => ({ path: `/${path.join('/')}`, message }))
    const shown = findings.map((f) => `${f.path}: ${f.message}`).join('; ')
    throw standInErrors.stand_in_script_invalid(`the script of the stand-in is wrong: ${shown}`, { findings })
  }
  for (const [i, { when }] of parsed.data.rules.entries())
    for (const field of ['system', 'lastMessage'] as const) checkPattern(when[field], `/rules/${i}/when/${field}`)
  return parsed.data
}

const checkPattern = (pattern: string | undefined, path: string): void => {
  try {
    new RegExp(pattern ?? '')
  } catch (error) {
    const message = `${path}: ${JSON.stringify(pattern)} is no regular expression`
    throw standInErrors.stand_in_script_invalid(message, {
      findings: [{ path, message, given: pattern }],
      cause: error,
    })
  }
}

/** Answers anything: says that it is no model, and fills schemas with samples. */
export const defaultScript: StandInScriptInput = {
  rules: [
    { when: { output: true }, reply: {} },
    { reply: { text: '{% "This is the stand-in, not a model. The last message was: " & last %}' } },
  ],
}

/** What conditions look at and expressions see. */
export type Conversation = {
  model: string
  /** The system messages, joined. */
  system: string
  /** The text of the last message. */
  last: string
  /** The JSON that the last message of the user holds, as a whole or from its first `{` or `[` on; `null` if none. */
  data: Json
  /** 1 for the first answer. */
  turn: number
  /** The results of tools so far, in order; a value is parsed where it is JSON. */
  results: { name: string; input: Json; value: Json }[]
  /** The names of the tools that are offered. */
  tools: string[]
  /** The schema that the answer is to follow; `null` if none. */
  schema: Json
  /** All messages, as they came. */
  messages: Json[]
  /** Whether the conversation ends with the result of a tool. */
  endsWithResult: boolean
}

/** Finds the rule for a conversation; `used` counts how often each was taken. */
export const findRule = (
  rules: readonly StandInRule[],
  conversation: Conversation,
  used: ReadonlyMap<StandInRule, number>,
): StandInRule | undefined =>
  rules.find((one) => (used.get(one) ?? 0) < (one.times ?? Number.POSITIVE_INFINITY) && holds(one.when, conversation))

const holds = (when: StandInRule['when'], c: Conversation): boolean => {
  const last = c.endsWithResult ? c.results.at(-1)?.name : undefined
  return (
    (when.model === undefined || when.model === c.model) &&
    (when.system === undefined || new RegExp(when.system).test(c.system)) &&
    (when.lastMessage === undefined || new RegExp(when.lastMessage).test(c.last)) &&
    (when.turn === undefined || when.turn === c.turn) &&
    (when.toolResults === undefined || when.toolResults === c.endsWithResult) &&
    (when.tool === undefined || when.tool === last) &&
    (when.output === undefined || when.output === (c.schema !== null))
  )
}

/** The fault for this call, if there is one. `answered`: how many calls this rule has answered before. */
export const findFault = (script: StandInScript, callNumber: number, rule: StandInRule, answered: number): Fault => {
  const numbered = script.faults.find(
    ({ calls, every }) => calls?.includes(callNumber) || (every !== undefined && callNumber % every === 0),
  )
  if (numbered) return numbered
  return rule.fault && answered < (rule.fault.times ?? Number.POSITIVE_INFINITY) ? rule.fault : {}
}
