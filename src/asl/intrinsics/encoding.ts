/** Base64, hashes and JSON texts. */
import { createHash } from 'node:crypto'
import type { Json } from '../../platform/json.ts'
import { isObject, setOwn } from '../values.ts'
import { text } from './arguments.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'
import { parseLeadingJson } from './leading-json.ts'

/** The longest text that may be encoded, decoded or hashed. */
const LONGEST_TEXT = 10_000
const ALGORITHMS: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
}

export const encoding: Readonly<Record<string, Intrinsic>> = {
  'States.Base64Encode': { arity: [1, 1], call: ([value]) => Buffer.from(short(text(value))).toString('base64') },
  'States.Base64Decode': { arity: [1, 1], call: ([value]) => decode(short(text(value))) },
  'States.Hash': { arity: [2, 2], call: ([value, algorithm]) => hash(short(hashed(value!)), algorithm!) },
  'States.JsonMerge': { arity: [3, 3], call: ([left, right, deep]) => merge(left!, right!, deep!) },
  'States.StringToJson': { arity: [1, 1], call: ([value]) => parse(text(value)) },
  'States.JsonToString': { arity: [1, 1], call: ([value]) => JSON.stringify(value) },
}

const short = (value: string): string => {
  if (value.length > LONGEST_TEXT)
    throw new IntrinsicFailure(`The text must not be longer than ${LONGEST_TEXT} characters`)
  return value
}

/** Characters that are not Base64 are passed over, as the service does. */
const decode = (value: string): string => Buffer.from(value, 'base64').toString('utf8')

/** A value that is not a text is hashed by its JSON text. */
const hashed = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** The digest in hexadecimal. */
export const hash = (data: string, algorithm: Json): string => {
  const name = typeof algorithm === 'string' ? ALGORITHMS[algorithm] : undefined
  if (!name) throw new IntrinsicFailure(`The algorithm must be one of ${Object.keys(ALGORITHMS).join(', ')}`)
  return createHash(name).update(data, 'utf8').digest('hex')
}

const merge = (left: Json, right: Json, deep: Json): Json => {
  if (deep !== false) throw new IntrinsicFailure('Only a shallow merge is supported: the third argument must be false')
  if (!isObject(left) || !isObject(right)) throw new IntrinsicFailure('Both values must be objects')
  const merged = { ...left }
  for (const [key, value] of Object.entries(right)) setOwn(merged, key, value)
  return merged
}

const parse = (value: string): Json => {
  try {
    return parseLeadingJson(value)
  } catch (error) {
    throw new IntrinsicFailure(`The text is not JSON: ${(error as Error).message}`)
  }
}
