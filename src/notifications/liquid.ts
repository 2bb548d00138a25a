/**
 * Templates in Liquid, written by tenants: they see one message and nothing else. No files, no other templates; bounds on the
 * length, on the time and on the memory of a rendering.
 */
import { Liquid, type Template as Parsed } from 'liquidjs'
import { LRUCache } from 'lru-cache'
import { messageOf } from '../platform/errors.ts'
import { notificationErrors } from './errors.ts'
import { timedOperators, timeFilters } from './liquid-time.ts'

/** What is done to a value before it stands in the text, so that an event cannot write markup. */
export type Escape = (text: string) => string

export interface Liquids {
  /** Throws `template_invalid`, with the place. */
  check(text: string): void
  /** Throws `template_invalid`, also when a bound is met. */
  render(text: string, scope: object, escaping?: Escape): string
}

export const TEMPLATE_CHARACTERS = 20_000
const OUTPUT_CHARACTERS = 50_000
const RENDER_MS = 100
const MEMORY = 1_000_000
/** Characters of the templates that are kept parsed: each takes about 200 bytes then. */
const PARSED_CHARACTERS = 400_000
/** They would read other templates; there are none. */
const TAGS_OF_FILES = ['include', 'render', 'layout', 'block', 'partial'] as const

const asText = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const makeEngine = (escaping: Escape): Liquid => {
  const engine = new Liquid({
    templates: {},
    ownPropertyOnly: true,
    strictFilters: true,
    outputEscape: (value) => escaping(asText(value)),
    parseLimit: TEMPLATE_CHARACTERS,
    renderLimit: RENDER_MS,
    memoryLimit: MEMORY,
    operators: timedOperators(),
  })
  timeFilters(engine)
  for (const name of TAGS_OF_FILES) delete engine.tags[name]
  return engine
}

export const makeLiquids = (): Liquids => {
  const engines = new Map<Escape | undefined, { engine: Liquid; parsed: LRUCache<string, Parsed[]> }>()
  const engineFor = (escaping: Escape | undefined) => {
    const known = engines.get(escaping)
    if (known) return known
    const made = {
      engine: makeEngine(escaping ?? ((text) => text)),
      parsed: new LRUCache<string, Parsed[]>({
        maxSize: PARSED_CHARACTERS,
        sizeCalculation: (_, text) => text.length + 1,
      }),
    }
    engines.set(escaping, made)
    return made
  }
  const parse = (text: string, escaping: Escape | undefined): Parsed[] => {
    const { engine, parsed } = engineFor(escaping)
    const known = parsed.get(text)
    if (known) return known
    const made = engine.parse(text)
    parsed.set(text, made)
    return made
  }
  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw notificationErrors.template_invalid(`the template cannot be rendered: ${messageOf(error).split('\n')[0]}`)
    }
  }
  return {
    check: (text) => void guarded(() => parse(text, undefined)),
    render: (text, scope, escaping) =>
      guarded(() => {
        const output = String(engineFor(escaping).engine.renderSync(parse(text, escaping), scope))
        return output.length > OUTPUT_CHARACTERS ? `${output.slice(0, OUTPUT_CHARACTERS)}…` : output
      }),
  }
}
