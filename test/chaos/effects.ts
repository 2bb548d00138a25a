/** Side effects in a file of lines, as in the kill test, with what tells when and by which attempt each was done. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { appendEffect, type Effect, readEffects } from '../kill/effects.ts'

export interface ChaosEffect extends Effect {
  /** Of the task or of the step; 1 for the first. */
  readonly attempt: number
  /** When the code began, and when the effect was done. */
  readonly startedMs: number
  readonly atMs: number
}

export interface EffectCall {
  readonly file: string
  readonly step: string
  readonly idempotencyKey: string
  readonly attempt: number
  /** The longest pause on either side. */
  readonly longestMs: number
}

/** Pauses on both sides of the effect, so that a fault finds it not begun, done but not reported, and reported. Gives its value. */
export const doEffect = async ({ file, step, idempotencyKey, attempt, longestMs }: EffectCall): Promise<string> => {
  const startedMs = Date.now()
  await pause(Math.random() * longestMs)
  const value = randomUUID()
  const effect: ChaosEffect = { step, idempotencyKey, pid: process.pid, value, attempt, startedMs, atMs: Date.now() }
  appendEffect(file, effect)
  await pause(Math.random() * longestMs)
  return value
}

export const readChaosEffects = (file: string): ChaosEffect[] => readEffects(file) as ChaosEffect[]
