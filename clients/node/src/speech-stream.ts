/**
 * Streaming text input: one StreamingSynthesize call with several contexts.
 *
 * Responses are read only when a context's reader asks for more. The server therefore notices a
 * reader that stops. Audio of other contexts that arrives meanwhile is kept for their readers.
 */

import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { Cancelled, fromFailure, ServerError } from "./errors.js";
import {
  type StreamingConfig,
  type StreamingSynthesizeRequest,
  StreamingSynthesizeRequestSchema,
  type StreamingSynthesizeResponse,
} from "./gen/barkserve/v1/speech_pb.js";
import { abortable, delay } from "./internal/abort.js";
import type { DuplexCall } from "./internal/call.js";
import type { Reconnection } from "./internal/reconnection.js";
import { textRequest } from "./internal/text-source.js";
import { countArrival } from "./internal/transcript.js";
import { buildConfig, resumedConfig, type StreamOptions } from "./options.js";
import type { AudioChunk } from "./responses.js";
import { Speech } from "./speech.js";

type Request = StreamingSynthesizeRequest;
type Response = StreamingSynthesizeResponse;
type RequestInit = NonNullable<
  MessageInitShape<typeof StreamingSynthesizeRequestSchema>["request"]
>;

/** @internal The calls of one stream. */
export interface StreamCalls {
  /** The server's address, for error messages. */
  readonly target: string;
  readonly reconnection: Reconnection;
  readonly signal: AbortSignal | undefined;
  start(): DuplexCall<Request, Response>;
}

/** Options of a context. */
export interface ContextOptions extends StreamOptions {
  /** Cancels the context, and no other one. The reader gets the signal's reason. */
  readonly signal?: AbortSignal;
}

/** One call with any number of contexts. `BarkClient.stream` creates it. */
export class SpeechStream implements AsyncDisposable {
  readonly #calls: StreamCalls;
  readonly #contexts = new Map<string, SpeechContext>();
  readonly #closing = new AbortController();
  readonly #abort = () => this.#stop(this.#calls.signal?.reason);
  #call: DuplexCall<Request, Response>;
  #receiving: Promise<void> | undefined;
  #opened = 0;
  #ended = false;

  /** @internal */
  constructor(calls: StreamCalls) {
    calls.signal?.throwIfAborted();
    this.#calls = calls;
    this.#call = calls.start();
    calls.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /**
   * Opens a context with its own voice, text and audio.
   *
   * @throws InvalidRequest if an option is wrong.
   */
  speak(options: ContextOptions = {}): SpeechContext {
    this.#closing.signal.throwIfAborted();
    this.#opened += 1;
    const id = String(this.#opened);
    const context = new SpeechContext(this, id, this.#calls.target, options);
    this.#contexts.set(id, context);
    return context;
  }

  /** Sends nothing more: no new contexts, and no more text in open ones. */
  end(): void {
    this.#ended = true;
    this.#call.end();
  }

  /** Cancels all contexts. A reader that is waiting gets Cancelled. */
  close(): void {
    this.#stop(new Cancelled("the stream was closed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** @internal Sends a request without waiting. */
  send(request: Request): void {
    this.#call.write(request);
  }

  /** @internal Waits for the next response of any context. */
  receive(): Promise<void> {
    this.#receiving ??= this.#receiveOne();
    return this.#receiving;
  }

  /** Reads one response. A failure is kept: later readers get the same error. */
  async #receiveOne(): Promise<void> {
    let response = await this.#nextResponse();
    while (response === undefined) {
      this.#restart();
      response = await this.#nextResponse();
    }
    const context = this.#contexts.get(response.contextId);
    // A response to a removed context answers a request that was in flight.
    context?.push(response);
    if (response.response.case === "finished" || response.response.case === "error")
      this.#contexts.delete(response.contextId);
    this.#receiving = undefined;
  }

  /** Returns the next response; undefined, after a delay, if the call must be repeated. */
  async #nextResponse(): Promise<Response | undefined> {
    const { reconnection, target } = this.#calls;
    try {
      const arriving = this.#call.next(reconnection.silenceMs);
      const response = await abortable(arriving, this.#closing.signal);
      if (response === undefined)
        throw new ServerError("the server ended the stream without finishing it");
      countArrival(response, reconnection);
      return response;
    } catch (failure) {
      this.#closing.signal.throwIfAborted();
      const error = fromFailure(failure, target);
      const delayMs = reconnection.delayMs(error);
      if (delayMs === undefined) throw error;
      await delay(delayMs, this.#closing.signal);
      return undefined;
    }
  }

  #restart(): void {
    this.#call.cancel();
    this.#call = this.#calls.start();
    for (const context of this.#contexts.values())
      for (const request of context.requestsAgain()) this.#call.write(request);
    if (this.#ended) this.#call.end();
  }

  #stop(reason: unknown): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(reason);
    this.#call.cancel();
    this.#calls.signal?.removeEventListener("abort", this.#abort);
  }
}

/**
 * One context: `write` text, iterate over its audio.
 *
 * No method blocks. Text that is written after `cancel` or after a failure is dropped, because the
 * writer may not know of it yet.
 */
export class SpeechContext extends Speech {
  /** Unique within the call. */
  readonly id: string;
  readonly #stream: SpeechStream;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => this.cancel();
  readonly #config: StreamingConfig;
  readonly #sent: Request[] = []; // what another call must get again
  readonly #chunks: AudioChunk[] = [];
  #failure: { readonly reason: unknown } | undefined;
  #cancelled = false;
  #ended = false;
  #flushCount = 0;

  /** @internal */
  constructor(stream: SpeechStream, id: string, target: string, options: ContextOptions) {
    super(target);
    options.signal?.throwIfAborted();
    this.id = id;
    this.#stream = stream;
    this.#signal = options.signal;
    this.#config = buildConfig(options);
    stream.send(this.#request({ case: "config", value: this.#config }));
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Ids of the flushes whose audio has arrived, in order. */
  get flushed(): readonly string[] {
    return this.transcript.flushed;
  }

  /**
   * Sends more text, cut anywhere. Bytes are UTF-8 and may be cut inside a character.
   *
   * @throws Error if `end` was called.
   */
  write(text: string | Uint8Array): void {
    if (this.#ended) throw new Error(`context "${this.id}" has ended: open another`);
    this.#sendIfOpen(textRequest(this.id, text));
  }

  /**
   * Speaks all text now, without waiting for the end of a sentence.
   *
   * @returns an id. `flushed` contains it when the audio has arrived.
   */
  flush(): string {
    this.#flushCount += 1;
    const flushId = String(this.#flushCount);
    this.#sendIfOpen(this.#request({ case: "flush", value: { flushId } }));
    return flushId;
  }

  /** Ends the text. Audio of what was written still arrives. */
  end(): void {
    if (!this.#ended) this.#sendIfOpen(this.#request({ case: "end", value: {} }));
    this.#ended = true;
  }

  /**
   * Stops speaking and drops the audio that has not been read.
   *
   * `finished.sampleCount` then says how many samples the server had sent.
   */
  cancel(): void {
    this.#sendIfOpen(this.#request({ case: "cancel", value: {} }));
    this.#cancelled = true;
    this.#chunks.length = 0;
  }

  /** The same as `cancel`. */
  override close(): void {
    this.cancel();
  }

  override async next(): Promise<IteratorResult<AudioChunk, undefined>> {
    for (;;) {
      this.#signal?.throwIfAborted();
      const value = this.#chunks.shift();
      if (value !== undefined) return { done: false, value };
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (this.#over) return { done: true, value: undefined };
      await abortable(this.#stream.receive(), this.#signal);
    }
  }

  /** Waits until all audio before a flush has arrived. It can still be read. */
  async waitFlushed(flushId: string): Promise<void> {
    while (!this.flushed.includes(flushId) && !this.#over)
      await abortable(this.#stream.receive(), this.#signal);
  }

  /** @internal Returns the requests that continue this context in another call. */
  requestsAgain(): Request[] {
    const config = resumedConfig(this.#config, this.transcript.resume());
    const kept = this.#sent.filter(
      ({ request }) => request.case !== "flush" || !this.flushed.includes(request.value.flushId),
    );
    return [this.#request({ case: "config", value: config }), ...kept].map((request) =>
      clone(StreamingSynthesizeRequestSchema, request),
    );
  }

  /** @internal Processes the next response of this context. */
  push(response: Response): void {
    try {
      const chunk = this.transcript.push(response);
      if (chunk !== undefined && !this.#cancelled) this.#chunks.push(chunk);
    } catch (reason) {
      this.#failure = { reason };
    }
    if (this.#over) this.#signal?.removeEventListener("abort", this.#abort);
  }

  get #over(): boolean {
    return this.#failure !== undefined || this.transcript.finished !== undefined;
  }

  #request(request: RequestInit): Request {
    return create(StreamingSynthesizeRequestSchema, { contextId: this.id, request });
  }

  #sendIfOpen(request: Request): void {
    if (this.#cancelled || this.#over) return;
    this.#sent.push(request);
    this.#stream.send(request);
  }
}
