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
): void => {
  const start = machine.StartAt
  if (typeof start === 'string' && !Object.hasOwn(states, start)) {
    place.at('StartAt').error('MISSING_TRANSITION_TARGET', missing(start, states))
  }
  const reached = new Set<string>()
  const open = typeof start === 'string' ? [start] : []
  let ends = false
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const state = Object.hasOwn(states, name) ? states[name] : undefined
    if (reached.has(name) || !isObject(state)) continue
    reached.add(name)
    if (isTerminal(state)) ends = true
    for (const { target } of edgesOf(state, placeOf(name))) open.push(target)
  }
  for (const [name, state] of Object.entries(states)) {
    if (!isObject(state)) continue
    for (const edge of edgesOf(state, placeOf(name))) {
      if (!Object.hasOwn(states, edge.target))
        edge.place.error('MISSING_TRANSITION_TARGET', missing(edge.target, states))
    }
    if (reached.size > 0 && !reached.has(name))
      placeOf(name).error('UNREACHABLE_STATE', `the state '${name}' cannot be reached`)
  }
  if (reached.size > 0 && !ends) place.at('States').error('MISSING_END_STATE', 'no reachable state ends the machine')
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

const missing = (target: string, states: Record<string, Json>): string => {
  const close = Object.keys(states).find((name) => name.toLowerCase() === target.toLowerCase())
  return `there is no state '${target}'${close === undefined ? '' : `; did you mean '${close}'?`}`
}
