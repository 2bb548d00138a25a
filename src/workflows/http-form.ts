/** Forms (`application/x-www-form-urlencoded`) out of JSON, with the four ways in which lists may be written. */
import type { Json, JsonObject } from '../platform/json.ts'

type ArrayFormat = 'INDICES' | 'REPEAT' | 'COMMAS' | 'BRACKETS'

/** Nested fields are written as `a[b]`; a text is taken for a form already. Lists are written by index unless `options` say otherwise. */
export const encodeForm = (body: Json, options: Json | undefined): string => {
  if (typeof body === 'string') return body
  const { ArrayFormat: format = 'INDICES' } = (options ?? {}) as { ArrayFormat?: ArrayFormat }
  const form = new URLSearchParams()
  const add = (name: string, value: Json): void => {
    if (Array.isArray(value)) addList(name, value)
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) add(`${name}[${key}]`, inner)
    } else form.append(name, value === null ? '' : String(value))
  }
  const addList = (name: string, list: readonly Json[]): void => {
    if (format === 'COMMAS') form.append(name, list.map(String).join(','))
    else for (const [i, value] of list.entries()) add(nameOf(name, i, format), value)
  }
  for (const [name, value] of Object.entries((body ?? {}) as JsonObject)) add(name, value)
  return form.toString()
}

const nameOf = (name: string, index: number, format: ArrayFormat): string => {
  if (format === 'REPEAT') return name
  return format === 'BRACKETS' ? `${name}[]` : `${name}[${index}]`
}
