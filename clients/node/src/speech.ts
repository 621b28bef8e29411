/** What a synthesis and a context have in common. */

import { Transcript } from "./internal/transcript.js";
import {
  AudioChunk,
  type Finished,
  type MarkTime,
  type Started,
  type WordTime,
} from "./responses.js";

/**
 * A text being spoken: an async iterable of audio chunks.
 *
 * Leaving a `for await` loop early stops the speech on the server.
 */
export abstract class Speech implements AsyncIterableIterator<AudioChunk>, AsyncDisposable {
  /** @internal */
  protected readonly transcript: Transcript;

  /** @internal */
  protected constructor(target: string) {
    this.transcript = new Transcript(target);
  }

  /**
   * What the server decided before it spoke. Known after the first chunk.
   *
   * @throws Error if no chunk has been read yet.
   */
  get started(): Started {
    const { started } = this.transcript;
    if (started === undefined) throw new Error("the speech has not started: read a chunk first");
    return started;
  }

  /**
   * How the synthesis ended. Known after the last chunk.
   *
   * @throws Error if there are more chunks to read.
   */
  get finished(): Finished {
    const { finished } = this.transcript;
    if (finished === undefined)
      throw new Error("the speech has not finished: read all chunks first");
    return finished;
  }

  /** Times of the words spoken so far. Empty without the option `wordTimes`. */
  get words(): readonly WordTime[] {
    return this.transcript.words;
  }

  /** Times of the marks reached so far, in SSML. Empty without the option `wordTimes`. */
  get marks(): readonly MarkTime[] {
    return this.transcript.marks;
  }

  /** Reads the next chunk. */
  abstract next(): Promise<IteratorResult<AudioChunk, undefined>>;

  /** Stops speaking. The server frees its capacity within one step of the models. */
  abstract close(): void;

  /** Stops speaking: called when a `for await` loop is left early. */
  async return(): Promise<IteratorResult<AudioChunk, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Reads the remaining audio as one chunk. */
  async read(): Promise<AudioChunk> {
    const chunks: AudioChunk[] = [];
    for await (const chunk of this) chunks.push(chunk);
    const { encoding, sampleRate } = this.started;
    return new AudioChunk({
      audio: concatenated(chunks.map((chunk) => chunk.audio)),
      firstSample: chunks[0]?.firstSample ?? this.finished.sampleCount,
      sampleCount: chunks.reduce((sum, chunk) => sum + chunk.sampleCount, 0),
      sampleRate,
      encoding,
      textStart: chunks[0]?.textStart ?? 0,
      textEnd: chunks.reduce((end, chunk) => Math.max(end, chunk.textEnd), 0),
      words: chunks.flatMap((chunk) => chunk.words),
    });
  }

  /** Reads the remaining audio: the bytes of a file, or samples. */
  async bytes(): Promise<Uint8Array> {
    return (await this.read()).audio;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
