import { randomBytes } from 'node:crypto';
import { Random } from '../base/random.ts';
import { openWakeTimer } from '../linux/reactor.ts';
import type { WakeTimer } from '../ports/reactor.ts';

/** Seeded so that nobody can foresee it. */
export const newRandom = (): Random => new Random(randomBytes(4).readInt32LE());

export const openTimer = (callback: () => void): WakeTimer => openWakeTimer(callback);
