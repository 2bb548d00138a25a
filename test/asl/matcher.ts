/** Compares values with recorded ones, in which changing parts were replaced by tokens. */
import type { Json } from '../../src/platform/json.ts'
import type { Case } from './case.ts'

export interface Matcher {
  /** Where the values differ first, or `undefined` when they match. */
  difference(expected: Json | undefined, actual: Json | undefined): string | undefined
  /** The recorded value with those tokens replaced whose value is known. */
  bind(recorded: Json): Json
}

/** A token that was itself replaced: `<<task_token>:1>`. */
const isNumbered = (text: string, token: string): boolean =>
  text.startsWith(`<${token}:`) && /^:\d+>$/.test(text.slice(token.length + 1))

/** Tokens in angle brackets stand for the same text wherever they stand in a case. */
const isNamed = (token: string): boolean => token.startsWith('<')

export const makeMatcher = (oneCase: Case): Matcher => {
  const bound = Object.entries(oneCase.bindings ?? {}).sort(([a], [b]) => b.length - a.length)
  const known = oneCase.bindings ?? {}
  const open = [...new Set([...(oneCase.tokens ?? []), ...(oneCase.unbound ?? [])])]
    .filter((token) => !Object.hasOwn(known, token))
    .sort((a, b) => b.length - a.length)
  // Names and ARNs of the service's own resources mean nothing here.
  const anyArn = oneCase.hints?.includes('aws-arn') ?? false
  const seen = new Map<string, string>()

  const bindText = (text: string): string =>
    bound.reduce((out, [token, value]) => replaceToken(out, token, () => value), text)
  const bind = (recorded: Json): Json => {
    if (typeof recorded === 'string') return bindText(recorded)
    if (Array.isArray(recorded)) return recorded.map(bind)
    if (typeof recorded !== 'object' || recorded === null) return recorded
    return Object.fromEntries(Object.entries(recorded).map(([key, value]) => [bindText(key), bind(value)]))
  }
  const matchText = (expected: string, actual: Json): boolean => {
    if (open.includes(expected) || open.some((token) => isNumbered(expected, token))) return true
    if (typeof actual !== 'string') return false
    if (expected === actual) return true
    if (anyArn && expected.startsWith('arn:')) return true
    const inner = parseBoth(expected, actual)
    if (inner && compare(inner[0], inner[1], '') === undefined) return true
    const { pattern, tokens } = toPattern(expected, open)
    if (tokens.length === 0) return false
    const match = pattern.exec(actual)
    return match !== null && tokens.every((token, i) => agree(token, match[i + 1]!))
  }
  const agree = (token: string, text: string): boolean => {
    if (!isNamed(token)) return true
    const before = seen.get(token)
    if (before === undefined) seen.set(token, text)
    return before === undefined || before === text
  }
  const compare = (expected: Json | undefined, actual: Json | undefined, at: string): string | undefined => {
    if (expected === undefined || actual === undefined) {
      return expected === actual ? undefined : `${at}: expected ${show(expected)}, got ${show(actual)}`
    }
    if (typeof expected === 'string') {
      return matchText(bindText(expected), actual)
        ? undefined
        : `${at}: expected ${show(expected)}, got ${show(actual)}`
    }
    if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) {
      return expected === actual ? undefined : `${at}: expected ${show(expected)}, got ${show(actual)}`
    }
    if (Array.isArray(expected) !== Array.isArray(actual))
      return `${at}: expected ${show(expected)}, got ${show(actual)}`
    const left = Object.fromEntries(Object.entries(expected).map(([key, value]) => [bindText(key), value]))
    const right = actual as Record<string, Json>
    for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
      // The service began to show it in the context object when some cases had been recorded already.
      if (key === 'RedriveCount' && left[key] === undefined) continue
      const difference = compare(left[key], right[key], `${at}/${key}`)
      if (difference !== undefined) return difference
    }
    return undefined
  }
  return { bind, difference: (expected, actual) => compare(expected, actual, '') }
}

/** Texts that are JSON objects themselves are compared as such: the recording may have spaces where others have none. */
const parseBoth = (expected: string, actual: string): [Json, Json] | undefined => {
  if (!expected.startsWith('{') || !actual.startsWith('{')) return undefined
  try {
    return [JSON.parse(expected) as Json, JSON.parse(actual) as Json]
  } catch {
    return undefined
  }
}

/** A token of plain letters counts only where no letter or digit touches it. */
const tokenPattern = (token: string): string => {
  const text = token.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return isNamed(token) ? text : `(?<![A-Za-z0-9])${text}(?![A-Za-z0-9])`
}

const replaceToken = (text: string, token: string, value: () => string): string =>
  text.includes(token) ? text.replace(new RegExp(tokenPattern(token), 'g'), value) : text

const toPattern = (expected: string, open: readonly string[]): { pattern: RegExp; tokens: string[] } => {
  const tokens: string[] = []
  const inside = open.filter((token) => expected.includes(token))
  if (inside.length === 0) return { pattern: /^$/, tokens }
  const any = new RegExp(inside.map(tokenPattern).join('|'), 'g')
  let source = ''
  let at = 0
  for (const match of expected.matchAll(any)) {
    source += escapeText(expected.slice(at, match.index))
    source += '([\\s\\S]*?)'
    tokens.push(match[0])
    at = match.index + match[0].length
  }
  return { pattern: new RegExp(`^${source}${escapeText(expected.slice(at))}$`), tokens }
}

const escapeText = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

export const show = (value: Json | undefined): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
