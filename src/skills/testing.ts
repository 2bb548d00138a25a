/** What the tests of tools share. */
import assert from 'node:assert/strict'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { AppError } from '../platform/errors.ts'
import type { ToolCall } from './tool.ts'

export const makeToolCall = (given: Partial<ToolCall> = {}): ToolCall => ({
  signal: new AbortController().signal,
  idempotencyKey: 'key-1',
  tenantId: 'tenant-1',
  projectId: null,
  attempt: 1,
  heartbeat() {},
  ...given,
})

/** The `AppError` that a call ends in. */
export const failureOf = async (promise: Promise<unknown>): Promise<AppError> => {
  const error = await promise.then(
    (value) => assert.fail(`should fail, gave ${JSON.stringify(value)}`),
    (e: unknown) => e,
  )
  assert.ok(error instanceof AppError, String(error))
  return error
}

export interface TestServer {
  readonly url: string
  stop(): void
}

export const startServer = async (handler: http.RequestListener): Promise<TestServer> => {
  const server = http.createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export const readText = async (request: http.IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
