/** Checks how the states of one machine hang together: targets exist, everything can be reached, something ends it. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { isObject } from '../values.ts'
import type { Place } from './report.ts'

/** A transition: the state it leads to, and the place that says so. */
interface Edge {
  readonly target: string
  readonly place: Place
}

export const checkGraph = (
  machine: JsonObject,
  states: Record<string, Json>,
  place: Place,
  placeOf: (name: string) => Place,
) => {
  const start = machine.StartAt
  const missing = makeMissing(states)
  if (typeof start === 'string' && !Object.hasOwn(states, start)) {
    place.at('StartAt').error('MISSING_TRANSITION_TARGET', missing(start))
  }
  const reached = new Set<string>()
  const open = typeof start === 'string' ? [start] : []
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const state = Object.hasOwn(states, name) ? states[name] : undefined
    if (reached.has(name) || !isObject(state)) continue
    reached.add(name)
    for (const { target } of edgesOf(state, placeOf(name))) open.push(target)
  }
  for (const [name, state] of Object.entries(states)) {
    if (!isObject(state)) continue
    for (const edge of edgesOf(state, placeOf(name))) {
      if (!Object.hasOwn(states, edge.target)) edge.place.error('MISSING_TRANSITION_TARGET', missing(edge.target))
    }
  }
  if (reached.size === 0) return
  // Where nothing ends at all, the service says no more than that.
  if (!Object.values(states).some((state) => isObject(state) && isTerminal(state))) {
    return place.at('States').error('MISSING_END_STATE', 'Workflow has no terminal state')
  }
  for (const name of Object.keys(states)) {
    if (!reached.has(name) && isObject(states[name]))
      placeOf(name).error('UNREACHABLE_STATE', `State "${name}" is not reachable.`)
  }
}

const isTerminal = (state: JsonObject): boolean =>
  state.End === true ||
  state.Type === 'Succeed' ||
  state.Type === 'Fail' ||
  (state.Type === 'Choice' && state.Default === undefined)

const edgesOf = (state: JsonObject, place: Place): Edge[] => {
  const edges: Edge[] = []
  const add = (target: Json | undefined, at: Place): void => {
    if (typeof target === 'string') edges.push({ target, place: at })
  }
  if (state.Type !== 'Choice') add(state.Next, place.at('Next'))
  else add(state.Default, place.at('Default'))
  for (const field of state.Type === 'Choice' ? ['Choices'] : ['Catch']) {
    const list = state[field]
    if (!Array.isArray(list)) continue
    list.forEach((item, i) => {
      if (isObject(item)) add(item.Next, place.at(field).at(i).at('Next'))
    })
  }
  return edges
}

/** Says what is missing, and which name may have been meant. */
const makeMissing = (states: Record<string, Json>): ((target: string) => string) => {
  const byLowerCase = new Map(Object.keys(states).map((name) => [name.toLowerCase(), name]))
  return (target) => {
    const close = byLowerCase.get(target.toLowerCase())
    return `Missing 'Next' target: ${target}${close === undefined ? '' : `; did you mean '${close}'?`}`
  }
}
