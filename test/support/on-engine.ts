/** Tests that each have an engine of their own. */
import { test } from 'node:test'
import type { Backend } from './backends.ts'
import { startTestEngine, type TestEngine, type TestEngineOptions } from './engine.ts'

/** Defines a test with an engine of its own, which is stopped after it. */
export const onEngine =
  (database: Backend) =>
  (
    title: string,
    options: Omit<TestEngineOptions, 'db'>,
    body: (engine: TestEngine, db: TestEngineOptions['db']) => Promise<void>,
  ): void =>
    void test(`engine on ${database.name}: ${title}`, async () => {
      const { db } = await database.open()
      const engine = await startTestEngine({ db, ...options })
      try {
        await body(engine, db)
      } finally {
        await engine.stop()
      }
    })
