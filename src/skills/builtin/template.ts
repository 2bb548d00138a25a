/** Liquid templates under limits: a template and its data may come from anybody, and are rendered on the main thread. */
import { Liquid, type Template } from 'liquidjs'
import { messageOf } from '../../platform/errors.ts'
import type { JsonObject } from '../../platform/json.ts'
import { toolErrors } from '../tool.ts'

export interface TemplateOptions {
  /** Applied to every value that is put out, unless the template says `| raw`. */
  readonly encode?: (text: string) => string
  /** Refuse variables that are not there, instead of putting out nothing. */
  readonly strict?: boolean
}

export interface CompiledTemplate {
  /** Rejects with `tool_failed` when the template cannot be rendered with this data, or takes too long or too much. */
  render(data: JsonObject): Promise<string>
}

export type CompileTemplate = (source: string, options?: TemplateOptions) => CompiledTemplate

const LONGEST_TEMPLATE = 65_536
const LONGEST_OUTPUT = 1_048_576
const RENDER_MS = 200
/** Of Liquid's own count: characters and items that filters make. */
const MOST_WORK = 2_000_000

/**
 * These look an expression up for each item, which takes some 20 µs that the count above takes for one step; and the time is
 * not looked at while a filter works. Each item is charged with so many steps more.
 */
const DEAR_FILTERS = ['where', 'reject', 'group_by', 'has', 'find', 'find_index'].flatMap((f) => [f, `${f}_exp`])
const STEPS_PER_ITEM = 100

/** Throws `tool_invalid` on a template that does not parse. Partials and layouts are not there. */
export const makeTemplateCompiler = (): CompileTemplate => {
  const plain = makeLiquid()
  return (source, { encode, strict = false } = {}) => {
    const liquid = encode ? makeLiquid(encode) : plain
    let parsed: Template[]
    try {
      parsed = liquid.parse(source)
    } catch (error) {
      throw toolErrors.tool_invalid(`the template does not parse: ${messageOf(error)}`, { cause: error })
    }
    return {
      async render(data) {
        let text: string
        try {
          text = (await liquid.render(parsed, data, { strictVariables: strict })) as string
        } catch (error) {
          throw toolErrors.tool_failed(`the template cannot be rendered: ${messageOf(error)}`, { cause: error })
        }
        if (text.length > LONGEST_OUTPUT)
          throw toolErrors.tool_failed(`the template renders to more than ${LONGEST_OUTPUT} characters`)
        return text
      },
    }
  }
}

const makeLiquid = (encode?: (text: string) => string): Liquid => {
  const liquid = new Liquid({
    // An empty set of templates: `include` and `render` find nothing, on no disk.
    templates: {},
    dynamicPartials: false,
    ownPropertyOnly: true,
    strictFilters: true,
    parseLimit: LONGEST_TEMPLATE,
    renderLimit: RENDER_MS,
    memoryLimit: MOST_WORK,
    timezoneOffset: 0,
    ...(encode && { outputEscape: (value: unknown) => encode(textOf(value)) }),
  })
  for (const name of DEAR_FILTERS) {
    const filter = liquid.filters[name]
    if (typeof filter === 'function') liquid.registerFilter(name, charged(filter))
  }
  return liquid
}

type Filter = Extract<Parameters<Liquid['registerFilter']>[1], (...values: never[]) => unknown>

const charged = (filter: Filter): Filter =>
  function (value, ...rest) {
    const items = (value as { length?: unknown } | null | undefined)?.length
    this.context.memoryLimit.use(STEPS_PER_ITEM * (typeof items === 'number' ? items : 1))
    return filter.call(this, value, ...rest)
  }

const textOf = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
