/** Waiting that an AbortSignal ends. */

import { setTimeout } from "node:timers/promises";

/**
 * Waits for a promise, or until the signal aborts.
 *
 * @throws the signal's reason if it aborts first.
 */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  promise.catch(() => {}); // a failure after the abort is expected
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
  }
}

/**
 * Waits for a number of milliseconds, or until the signal aborts.
 *
 * @throws the signal's reason if it aborts first.
 */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
