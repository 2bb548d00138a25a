/** Makes tasks at a fixed rate, however long the answers take: a system that falls behind is not spared. */
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { serve } from '../../support/serve.ts'

export interface PacedInput {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
  /** Tasks a second. */
  readonly rate: number
  readonly count: number
  readonly connections: number
}

export interface Sent {
  readonly id: string
  /** When its turn was, by the machine's clock in milliseconds with fractions. */
  readonly dueMs: number
  readonly answeredMs: number
}

const now = (): number => performance.timeOrigin + performance.now()

const send = async (input: PacedInput): Promise<Sent[]> => {
  const pool = new Pool(new URL(input.url).origin, { connections: input.connections, pipelining: 1 })
  const path = new URL(input.url).pathname
  const body = JSON.stringify(input.body)
  const firstMs = now()
  const one = async (index: number): Promise<Sent> => {
    const dueMs = firstMs + (index * 1000) / input.rate
    const restMs = dueMs - now()
    if (restMs > 0) await pause(restMs)
    const answer = await pool.request({ method: 'POST', path, headers: input.headers, body })
    const { id } = (await answer.body.json()) as { id: string }
    if (answer.statusCode !== 201) throw new Error(`POST ${path} answered ${answer.statusCode}`)
    return { id, dueMs, answeredMs: now() }
  }
  const sent = await Promise.all(Array.from({ length: input.count }, (_, index) => one(index)))
  await pool.close()
  return sent
}

serve({ send })
