/** The responses of one synthesis in order, with a check that none is missing. It performs no I/O. */

import { create } from "@bufbuild/protobuf";
import { fromStatus, ServerError } from "../errors.js";
import { FinishReason } from "../gen/barkserve/v1/common_pb.js";
import {
  type AudioChunk as AudioMessage,
  type Resume,
  ResumeSchema,
  type SpokenSegment,
  type StreamingSynthesizeResponse,
  type SynthesisStarted,
  type SynthesizeResponse,
} from "../gen/barkserve/v1/speech_pb.js";
import {
  type AudioChunk,
  decodeAudio,
  decodeFinished,
  decodeMarks,
  decodeStarted,
  decodeWords,
  type Finished,
  type MarkTime,
  type Started,
  type WordTime,
} from "../responses.js";
import type { Reconnection } from "./reconnection.js";

export type Response = SynthesizeResponse | StreamingSynthesizeResponse;

/** Counts a response as a sign of life. */
export function countArrival(response: Response, reconnection: Reconnection): void {
  const { response: event } = response;
  reconnection.arrived(event.case, event.case === "started" ? event.value.heartbeatMs : 0);
}

/** What has arrived of one synthesis. A gap in the audio is an error. */
export class Transcript {
  started: Started | undefined;
  finished: Finished | undefined;
  readonly words: WordTime[] = [];
  readonly marks: MarkTime[] = [];
  readonly flushed: string[] = [];
  sampleCount = 0;
  #byteCount = 0;
  readonly #segments: SpokenSegment[] = [];
  #startedMessage: SynthesisStarted | undefined;
  #resuming = false; // the new call has not started
  #wordsAttached = 0; // words that were returned with a chunk
  readonly #target: string;

  /** @param target - the server's address, for error messages. */
  constructor(target: string) {
    this.#target = target;
  }

  /**
   * Processes the next response.
   *
   * @returns the audio of an audio response, else undefined.
   * @throws ServerError if the response violates the protocol, or the failure that it reports.
   */
  push({ response }: Response): AudioChunk | undefined {
    switch (response.case) {
      case "heartbeat":
      case undefined: // a newer server may send other responses
        return undefined;
      case "error":
        throw fromStatus(response.value, this.#target);
      case "flushDone":
        this.flushed.push(response.value.flushId);
        return undefined;
      case "started":
        this.#start(response.value);
        return undefined;
      case "words":
        this.words.push(...decodeWords(response.value, this.#begun("words")));
        this.marks.push(...decodeMarks(response.value, this.#begun("words")));
        return undefined;
      case "audio":
        return this.#audio(response.value, this.#begun("audio"));
      case "finished":
        if (response.value.finishReason !== FinishReason.CANCELLED) this.#begun("finished");
        this.#finish(decodeFinished(response.value));
    }
    return undefined;
  }

  /** Expects a new call. Returns what it must continue after; undefined: nothing has arrived. */
  resume(): Resume | undefined {
    if (this.#startedMessage === undefined) return undefined;
    this.#resuming = true;
    return create(ResumeSchema, {
      started: this.#startedMessage,
      segments: this.#segments,
      sampleCount: BigInt(this.sampleCount),
      byteCount: BigInt(this.#byteCount),
      wordCount: BigInt(this.words.length),
      markCount: BigInt(this.marks.length),
    });
  }

  /**
   * Checks that an OK stream may end here.
   *
   * @throws ServerError if the synthesis has not finished.
   */
  end(): void {
    if (this.finished === undefined)
      throw new ServerError("the server ended the stream without finishing it");
  }

  #start(message: SynthesisStarted): void {
    if (this.#resuming) {
      this.#resuming = false; // the server has compared it with the first one
      return;
    }
    if (this.started !== undefined || this.finished !== undefined) throw unexpected("started");
    this.#startedMessage = message;
    this.started = decodeStarted(message);
  }

  /** Returns what `started` said: it comes first, and nothing follows `finished`. */
  #begun(kind: string): Started {
    if (this.started === undefined || this.finished !== undefined) throw unexpected(kind);
    return this.started;
  }

  #audio(message: AudioMessage, started: Started): AudioChunk {
    const chunk = decodeAudio(message, started, this.words.slice(this.#wordsAttached));
    this.#wordsAttached = this.words.length;
    if (chunk.firstSample !== this.sampleCount)
      throw new ServerError(
        `audio is missing: expected sample ${this.sampleCount}, received ${chunk.firstSample}`,
      );
    this.sampleCount += chunk.sampleCount;
    this.#byteCount += chunk.audio.length;
    this.#segments.push(...message.segments);
    return chunk;
  }

  #finish(finished: Finished): void {
    if (this.finished !== undefined) throw unexpected("finished");
    if (finished.sampleCount !== this.sampleCount)
      throw new ServerError(
        `audio is missing: received ${this.sampleCount} of ${finished.sampleCount} samples`,
      );
    this.finished = finished;
  }
}

function unexpected(kind: string): ServerError {
  return new ServerError(`the server violated the protocol: unexpected response "${kind}"`);
}
