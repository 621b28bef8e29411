/** One synthesis: an async iterable of audio chunks that survives a cut connection. */

import { Cancelled, fromFailure } from "./errors.js";
import type { Resume } from "./gen/barkserve/v1/speech_pb.js";
import { abortable, delay } from "./internal/abort.js";
import type { Call } from "./internal/call.js";
import type { Reconnection } from "./internal/reconnection.js";
import type { TextSource } from "./internal/text-source.js";
import { countArrival, type Response } from "./internal/transcript.js";
import type { AudioChunk } from "./responses.js";
import { Speech } from "./speech.js";

/** @internal The calls of one synthesis. */
export interface SynthesisCalls {
  /** The server's address, for error messages. */
  readonly target: string;
  readonly reconnection: Reconnection;
  readonly signal: AbortSignal | undefined;
  /** The text, if it is still being written. */
  readonly source: TextSource | undefined;
  /** Calls the server, with what has arrived (undefined: nothing). */
  start(resume: Resume | undefined): Call<Response>;
}

/** A text being spoken. `BarkClient.synthesize` and `synthesizeStream` return it. */
export class Synthesis extends Speech {
  readonly #calls: SynthesisCalls;
  readonly #chunks: AsyncGenerator<AudioChunk, undefined>;
  readonly #closing = new AbortController();
  readonly #abort = () => this.#stop(this.#calls.signal?.reason);
  #call: Call<Response>;

  /** @internal */
  constructor(calls: SynthesisCalls) {
    super(calls.target);
    calls.signal?.throwIfAborted();
    this.#calls = calls;
    this.#call = calls.start(undefined);
    this.#chunks = this.#generate();
    calls.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  override next(): Promise<IteratorResult<AudioChunk, undefined>> {
    return this.#chunks.next();
  }

  override return(): Promise<IteratorResult<AudioChunk, undefined>> {
    this.close();
    return this.#chunks.return(undefined);
  }

  /** Stops speaking. A reader that is waiting gets Cancelled. */
  override close(): void {
    this.#stop(new Cancelled("the speech was closed while it was being read"));
  }

  async *#generate(): AsyncGenerator<AudioChunk, undefined> {
    try {
      for (;;) {
        try {
          yield* this.#received();
          return undefined;
        } catch (failure) {
          const delayMs = this.#delayMs(fromFailure(failure, this.#calls.target));
          await delay(delayMs, this.#closing.signal);
        }
        this.#call.cancel();
        this.#call = this.#calls.start(this.transcript.resume());
      }
    } finally {
      this.close();
    }
  }

  /** The chunks of the present call. */
  async *#received(): AsyncGenerator<AudioChunk> {
    const { reconnection } = this.#calls;
    for (;;) {
      const arriving = this.#call.next(reconnection.silenceMs);
      const response = await abortable(arriving, this.#closing.signal);
      if (response === undefined) break;
      countArrival(response, reconnection);
      const chunk = this.transcript.push(response);
      if (chunk !== undefined) yield chunk;
    }
    this.transcript.end();
  }

  /** Returns the milliseconds until a failed call is repeated, or throws the failure. */
  #delayMs(failure: unknown): number {
    this.#closing.signal.throwIfAborted();
    const { reconnection, source } = this.#calls;
    if (source?.failure !== undefined) throw source.failure.reason;
    const delayMs = reconnection.delayMs(failure);
    if (delayMs === undefined) throw failure;
    return delayMs;
  }

  #stop(reason: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(reason);
    this.#call.cancel();
    this.#calls.source?.close();
    this.#calls.signal?.removeEventListener("abort", this.#abort);
  }
}
