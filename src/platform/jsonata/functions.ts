/** Built-in functions that are replaced: those that read the clock or draw numbers, that can blow up, or that run other code. */
import type jsonata from 'jsonata'
import { type Budget, jsonataErrors } from './limits.ts'
import { makeMeasure } from './measure.ts'

/** A function as JSONata keeps it. */
export interface NativeFunction {
  readonly _jsonata_function: true
  readonly implementation: (this: NativeFocus, ...args: never[]) => unknown
  readonly signature?: unknown
}

interface NativeFocus {
  readonly environment?: { lookup(name: string): unknown }
  createSequence(): unknown[]
}

export type BuiltIns = Readonly<Record<string, NativeFunction>>

/** Where an evaluation keeps its account: a name with a space in it cannot be written in an expression. */
export const BUDGET = ' budget'

const budgetOf = (focus: NativeFocus): Budget => {
  const budget = focus.environment?.lookup(BUDGET)
  if (!budget) throw jsonataErrors.jsonata_failed('a built-in function was called from outside of an evaluation')
  return budget as Budget
}

/** Longest texts and widest pictures that the date functions take: they build regular expressions from them. */
const LONGEST_DATE = 64
const LONGEST_PICTURE = 128

/** Replaces the built-ins of one expression. `builtIns` are the originals. */
export const replaceFunctions = (expression: jsonata.Expression, builtIns: BuiltIns): void => {
  const bind = (name: string, value: unknown): void => expression.assign(name, value)
  const wrap = (
    name: string,
    implementation: (this: NativeFocus, original: Original, ...args: unknown[]) => unknown,
  ): void => {
    const original = builtIns[name]!
    bind(name, {
      ...original,
      implementation(this: NativeFocus, ...args: unknown[]) {
        const call: Original = (...others) => original.implementation.apply(this, others as never[])
        return implementation.call(this, call, ...args)
      },
    })
  }
  type Original = (...args: unknown[]) => unknown

  bind('eval', undefined)
  bind('now', {
    ...builtIns.fromMillis!,
    signature: undefined,
    implementation(this: NativeFocus, picture?: unknown, zone?: unknown) {
      checkTexts('now', [picture, zone])
      return builtIns.fromMillis!.implementation.apply(this, [budgetOf(this).now(), picture, zone] as never[])
    },
  })
  bind('millis', {
    ...builtIns.random!,
    implementation(this: NativeFocus) {
      return budgetOf(this).now()
    },
  })
  wrap('random', function () {
    return budgetOf(this).random()
  })
  wrap('shuffle', function (_, items) {
    return shuffle(items as unknown[] | undefined, budgetOf(this).random)
  })
  wrap('pad', function (original, text, width, filler) {
    budgetOf(this).allow(Math.abs(width as number) * Math.max(1, ((filler as string | undefined) ?? ' ').length))
    return original(text, width, filler)
  })
  wrap('join', function (original, texts, separator) {
    const count = Array.isArray(texts) ? texts.length : 1
    budgetOf(this).allow(count * ((separator as string | undefined) ?? '').length)
    return original(texts, separator)
  })
  // Both write the value out as a text, shared parts as often as they occur.
  for (const name of ['clone', 'string']) {
    wrap(name, function (original, value, ...others) {
      budgetOf(this).allow(makeMeasure()(value))
      return original(value, ...others)
    })
  }
  wrap('distinct', function (_, items) {
    return distinct(items, this)
  })
  wrap('toMillis', (original, text, picture) => {
    checkDate(text, picture)
    return original(text, picture)
  })
  for (const name of ['fromMillis', 'formatNumber', 'formatInteger', 'parseInteger']) {
    wrap(name, (original, ...args) => {
      checkTexts(name, args)
      return original(...args)
    })
  }
}

const tooLong = (name: string): Error => jsonataErrors.jsonata_failed(`a text handed to $${name} is too long`)

const checkTexts = (name: string, args: readonly unknown[]): void => {
  if (args.some((arg) => typeof arg === 'string' && arg.length > LONGEST_PICTURE)) throw tooLong(name)
}

/**
 * JSONata turns the picture into a regular expression of one group per marker. Markers with nothing between them can match
 * a long run of digits in very many ways, so both are kept short.
 */
const checkDate = (text: unknown, picture: unknown): void => {
  if (typeof text === 'string' && text.length > LONGEST_DATE) throw tooLong('toMillis')
  if (typeof picture !== 'string') return
  if (picture.length > LONGEST_PICTURE) throw tooLong('toMillis')
  const touching = picture.match(/\][A-Za-z0-9 ]*\[/g)?.length ?? 0
  if (touching > 3 && typeof text === 'string' && text.length > 24) throw tooLong('toMillis')
}

/** Fisher and Yates, with the numbers of the evaluation. */
const shuffle = (items: unknown[] | undefined, random: () => number): unknown => {
  if (items === undefined || items.length <= 1) return items
  const mixed = items.slice()
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = mixed[i]
    mixed[i] = mixed[j]
    mixed[j] = item
  }
  return mixed
}

/** By canonical text, so that the time grows with the size of the array and not with its square. */
const distinct = (items: unknown, focus: NativeFocus): unknown => {
  if (!Array.isArray(items) || items.length <= 1) return items
  const seen = new Set<string>()
  const kept = (items as { sequence?: boolean }).sequence ? focus.createSequence() : []
  for (const item of items) {
    const key = canonical(item)
    if (!seen.has(key)) {
      seen.add(key)
      kept.push(item)
    }
  }
  return kept
}

const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  const fields = value as Record<string, unknown>
  const parts = Object.keys(fields)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(fields[key])}`)
  return `{${parts.join(',')}}`
}
