/** Reads an answer's body, decoded, and never more of it than allowed: what a small body unfolds into counts, too. */
import type { Readable, Transform } from 'node:stream'
import zlib from 'node:zlib'
import { outboundErrors } from './errors.ts'

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: zlib.createGunzip,
  'x-gzip': zlib.createGunzip,
  deflate: zlib.createInflate,
  br: zlib.createBrotliDecompress,
  zstd: zlib.createZstdDecompress,
}

export const ACCEPTED_ENCODINGS = 'gzip, deflate, br, zstd'

/** The body without its content-encoding. Rejects with `outbound_too_large`; leaving early closes the connection. */
export async function* readBody(body: Readable, encoding: string, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let decoder: Transform | undefined
  let bytes = 0
  try {
    decoder = makeDecoder(encoding)
    const source = decoder ? forward(body, decoder) : body
    for await (const chunk of source as AsyncIterable<Buffer>) {
      // What was waiting comes as one chunk, however large: who wants but the beginning is to have it.
      yield chunk.subarray(0, maxBytes - bytes)
      bytes += chunk.length
      if (bytes > maxBytes) throw outboundErrors.outbound_too_large(`the answer is larger than ${maxBytes} bytes`)
    }
  } finally {
    body.destroy()
    decoder?.destroy()
  }
}

const makeDecoder = (encoding: string): Transform | undefined => {
  const name = encoding.trim().toLowerCase()
  if (name === '' || name === 'identity') return undefined
  const make = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined
  // Several encodings on top of one another serve nobody but an attacker.
  if (!make)
    throw outboundErrors.outbound_failed(`the answer has the content-encoding ${JSON.stringify(name.slice(0, 50))}`)
  return make()
}

/** `stream.pipeline` would hide why the body failed behind "premature close". */
const forward = (body: Readable, decoder: Transform): Transform => {
  body.on('error', (error) => decoder.destroy(error))
  return body.pipe(decoder)
}
