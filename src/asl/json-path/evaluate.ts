/** Turns a parsed path into a function. A definite path gives one value or `undefined`; any other gives a list. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { getOwn, isObject, setOwn } from '../values.ts'
import { passes } from './filter.ts'
import { COUNTING, callPathFunction, NEEDS_LIST } from './functions.ts'
import type { Filter, PathFunction, PathStep } from './path.ts'
import { makeSearch, type Search } from './search.ts'

/** The value at the path, or `undefined` when a definite path leads nowhere. */
export type FindPath = (document: Json) => Json | undefined

/** `pastEnd` stands for what lies behind the end of an array, where nothing below it is asked for. */
export const compileSteps = (steps: readonly PathStep[], definite: boolean, pastEnd?: null): FindPath => {
  if (steps.length === 0) return (document) => document
  if (definite) return (document) => followDefinite(steps, document, pastEnd)
  const last = steps[steps.length - 1]!
  const find: FindPath =
    last.kind === 'function'
      ? compileFunction(last.name, steps.slice(0, -1))
      : (document) => collect(steps, document, makeSearch(document))
  const open = steps.findIndex(({ kind }) => kind !== 'name' && kind !== 'index')
  const fits = FITS[steps[open]!.kind]
  if (!fits) return find
  // Of several values these steps pass over those that they do not fit; the only one there is must fit.
  const before = steps.slice(0, open)
  return (document) => {
    const only = followDefinite(before, document, undefined)
    return only === undefined || fits(only) ? find(document) : undefined
  }
}

/** What a step can be taken on, where that is not everything. */
const FITS: Partial<Record<PathStep['kind'], (value: Json) => boolean>> = {
  filter: (value) => typeof value === 'object' && value !== null,
  slice: Array.isArray,
  indexes: Array.isArray,
}

/** A function takes each of the values on its own; only after a scan from the root it takes them all together. */
const compileFunction = (name: PathFunction, body: readonly PathStep[]): FindPath => {
  if (body[0]?.kind === 'scan') {
    // Here a length is the number of what lies right below the values.
    const counted: readonly PathStep[] = COUNTING.has(name) ? [...body, { kind: 'wildcard' }] : body
    return (document) => callPathFunction(name, collect(counted, document, makeSearch(document)))
  }
  return (document) => {
    const search = makeSearch(document)
    const results = collect(body, document, search).map((value) => applyFunction(name, value, search))
    return NEEDS_LIST.has(name) && results.includes(undefined) ? undefined : results.map((result) => result ?? null)
  }
}

const applyFunction = (name: PathFunction, value: Json, search: Search): Json | undefined => {
  search.spend(Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 1)
  return callPathFunction(name, value)
}

const followDefinite = (steps: readonly PathStep[], document: Json, pastEnd: null | undefined): Json | undefined => {
  let value: Json | undefined = document
  for (const step of steps) {
    if (step.kind === 'name') value = isObject(value) ? getOwn(value, step.name) : undefined
    else if (step.kind === 'index') {
      if (!Array.isArray(value)) return undefined
      value = value[resolveIndex(step.index, value.length)]
      if (value === undefined && step === steps[steps.length - 1]) return pastEnd
    } else if (step.kind === 'names') value = isObject(value) ? pick(value, step.names) : undefined
    else if (step.kind === 'function') value = callPathFunction(step.name, value)
    if (value === undefined) return undefined
  }
  return value
}

/** A list of names at the end of a path makes one object of the fields that are there. */
const pick = (value: JsonObject, names: readonly string[]): JsonObject => {
  const picked: JsonObject = {}
  for (const name of names) {
    const found = getOwn(value, name)
    if (found !== undefined) setOwn(picked, name, found)
  }
  return picked
}

const resolveIndex = (index: number, length: number): number => (index < 0 ? length + index : index)

/** All values that the steps lead to, in document order. */
const collect = (steps: readonly PathStep[], start: Json, search: Search): Json[] => {
  let found: Json[] = [start]
  for (let i = 0; i < steps.length; i++) {
    const next: Json[] = []
    const isScan = steps[i]!.kind === 'scan'
    const step = steps[isScan ? ++i : i]!
    const isLast = i === steps.length - 1
    const tries = triesOf(step)
    const take = (value: Json): void => {
      const before = next.length
      if (!isScan || !isLast || step.kind !== 'names' || hasAll(value, step.names))
        advance(step, value, next, search, isLast)
      search.spend(tries + next.length - before)
    }
    for (const value of found) {
      if (isScan) visitAll(value, take)
      else take(value)
    }
    found = next
  }
  return found
}

/** How much a step does on a value, whatever it finds. */
const triesOf = (step: PathStep): number => {
  if (step.kind === 'names') return step.names.length
  return step.kind === 'indexes' ? step.indexes.length : 1
}

/** A scan for several names finds the objects that have them all, where a list of names elsewhere takes what there is. */
const hasAll = (value: Json, names: readonly string[]): boolean =>
  isObject(value) && names.every((name) => Object.hasOwn(value, name))

/** Calls back with the value and everything below it, parents first; without recursion, so that depth does not matter. */
const visitAll = (root: Json, visit: (value: Json) => void): void => {
  const open: Json[] = [root]
  while (open.length > 0) {
    const value = open.pop()!
    visit(value)
    if (typeof value !== 'object' || value === null) continue
    const children = Array.isArray(value) ? value : Object.values(value)
    for (let i = children.length - 1; i >= 0; i--) open.push(children[i]!)
  }
}

const advance = (step: PathStep, value: Json, into: Json[], search: Search, isLast: boolean): void => {
  switch (step.kind) {
    case 'name':
      pushOwn(value, step.name, into)
      return
    case 'names':
      if (isLast && isObject(value)) into.push(pick(value, step.names))
      else for (const name of step.names) pushOwn(value, name, into)
      return
    case 'index':
      pushAt(value, step.index, into)
      return
    case 'indexes':
      for (const index of step.indexes) pushAt(value, index, into)
      return
    case 'slice':
      if (Array.isArray(value)) pushSlice(value, step.from, step.to, into)
      return
    case 'wildcard':
      if (typeof value === 'object' && value !== null) pushAll(Object.values(value), into)
      return
    case 'filter':
      pushMatching(value, step.test, into, search)
      return
    case 'function':
      into.push(applyFunction(step.name, value, search) ?? null)
      return
    case 'scan':
      return
  }
}

const pushAll = (values: readonly Json[], into: Json[]): void => {
  for (const value of values) into.push(value)
}

const pushOwn = (value: Json, name: string, into: Json[]): void => {
  const found = isObject(value) ? getOwn(value, name) : undefined
  if (found !== undefined) into.push(found)
}

const pushAt = (value: Json, index: number, into: Json[]): void => {
  const found = Array.isArray(value) ? value[resolveIndex(index, value.length)] : undefined
  if (found !== undefined) into.push(found)
}

/** With one end given, a negative one counts from the end of the array. Between two ends each index does so by itself. */
const pushSlice = (value: readonly Json[], from: number | undefined, to: number | undefined, into: Json[]): void => {
  const { length } = value
  if (from !== undefined && to !== undefined) {
    for (let i = Math.max(from, -length); i < Math.min(to, length); i++) into.push(value[resolveIndex(i, length)]!)
    return
  }
  const end = Math.min(resolveIndex(to ?? length, length), length)
  for (let i = Math.max(resolveIndex(from ?? 0, length), 0); i < end; i++) into.push(value[i]!)
}

const pushMatching = (value: Json, test: Filter, into: Json[], search: Search): void => {
  for (const item of Array.isArray(value) ? value : isObject(value) ? [value] : []) {
    if (passes(test, item, search, collect)) into.push(item)
  }
}
