/** When a cut call is repeated: which failures, how soon, and for how long. It performs no I/O. */

import { status as StatusCode } from "@grpc/grpc-js";
import { isServiceError, Overloaded, RetryableError, sentStatus } from "../errors.js";
import { ServerSilent } from "./call.js";

/** Milliseconds for which a cut call is repeated until audio arrives again. */
export const DEFAULT_RECONNECT_MS = 30_000;

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 1_000;
const MAX_CUTS = 3;
const SILENT_INTERVALS = 2;
const SILENCE_MARGIN_MS = 1_000;
const CUT = new Set([
  StatusCode.UNAVAILABLE,
  StatusCode.CANCELLED,
  StatusCode.INTERNAL, // a proxy's RST_STREAM
  StatusCode.UNKNOWN,
]);

/** Counts the failures of one call since something arrived. */
export class Reconnection {
  readonly #limitMs: number;
  readonly #deadlineMs: number | undefined;
  #connected = false; // the server has answered once
  #answered = false; // the present call has been answered
  #cutAtMs: number | undefined; // undefined: something new has arrived since
  #cuts = 0; // answered calls that were cut without anything new
  #delayMs = FIRST_DELAY_MS;
  #heartbeatMs = 0;

  /**
   * @param limitMs - milliseconds to try for; 0: a call is not repeated.
   * @param timeoutMs - milliseconds for all calls together; undefined: no limit.
   */
  constructor(limitMs: number, timeoutMs: number | undefined) {
    this.#limitMs = limitMs;
    this.#deadlineMs = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  /** Milliseconds until the timeout of all calls; undefined: no limit. */
  get leftMs(): number | undefined {
    if (this.#deadlineMs === undefined) return undefined;
    return Math.max(0, this.#deadlineMs - performance.now());
  }

  /** Milliseconds without a message after which a server counts as lost; undefined: never. */
  get silenceMs(): number | undefined {
    if (this.#heartbeatMs === 0) return undefined;
    return SILENT_INTERVALS * this.#heartbeatMs + SILENCE_MARGIN_MS;
  }

  /**
   * Counts a response.
   *
   * @param kind - of the response.
   * @param heartbeatMs - of a response that is `started`; else 0.
   */
  arrived(kind: string | undefined, heartbeatMs: number): void {
    this.#connected = true;
    this.#answered = true;
    if (kind === "started") {
      this.#heartbeatMs = heartbeatMs;
    } else {
      this.#cutAtMs = undefined;
      this.#cuts = 0;
      this.#delayMs = FIRST_DELAY_MS;
    }
  }

  /**
   * Returns the milliseconds to wait before the call is repeated; undefined to give up.
   *
   * A call that the server has never answered is not repeated: gRPC has tried that already.
   *
   * @param error - what ended the call.
   */
  delayMs(error: unknown): number | undefined {
    if (!this.#connected || this.#limitMs === 0 || this.leftMs === 0) return undefined;
    const now = performance.now();
    const cut = wasCut(error);
    if (!cut && (this.#cutAtMs === undefined || !(error instanceof RetryableError)))
      return undefined;
    this.#cutAtMs ??= now;
    if (this.#answered) this.#cuts += 1;
    this.#answered = false;
    let delayMs = this.#delayMs;
    this.#delayMs = Math.min(MAX_DELAY_MS, delayMs * 2);
    if (error instanceof Overloaded) delayMs = error.retryAfterMs ?? delayMs;
    if (this.#cuts > MAX_CUTS || now + delayMs > this.#cutAtMs + this.#limitMs) return undefined;
    return delayMs;
  }
}

/** Whether a call ended without a status from the server itself. */
function wasCut(error: unknown): boolean {
  if (error instanceof ServerSilent) return true;
  const cause = error instanceof Error ? error.cause : undefined;
  return isServiceError(cause) && CUT.has(cause.code) && sentStatus(cause) === undefined;
}
