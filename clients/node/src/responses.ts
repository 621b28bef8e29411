/** Responses of a synthesis as plain values. */

import { ServerError } from "./errors.js";
import { FinishReason as ReasonNumber } from "./gen/barkserve/v1/common_pb.js";
import {
  type AudioChunk as AudioMessage,
  type SynthesisFinished,
  type SynthesisStarted,
  WarningCode,
  type SpeechWarning as WarningMessage,
  type WordTimes,
} from "./gen/barkserve/v1/speech_pb.js";
import { decodeAlaw, decodeMulaw } from "./internal/g711.js";
import { ENCODINGS, type Encoding, SAMPLE_BYTES } from "./options.js";
import { decodePrompt, type HistoryPrompt, type VoiceHandle } from "./voices.js";

/** What the server decided before it spoke. */
export interface Started {
  readonly requestId: string;
  readonly seed: bigint;
  /** A name, "none", or "inline" for a voice in the request. */
  readonly voice: string;
  readonly encoding: Encoding;
  /** Samples per second. */
  readonly sampleRate: number;
  /** The speed in use; 0: an older server, which speaks at its natural pace. */
  readonly speakingRate: number;
  /** The checkpoint. */
  readonly model: string;
  readonly modelRevision: string;
}

/** When one word is spoken. */
export interface WordTime {
  readonly word: string;
  /** Index of the first code point in the text. */
  readonly textStart: number;
  /** Index of the code point after the last one. */
  readonly textEnd: number;
  readonly firstSample: number;
  /** The sample after the last one. */
  readonly endSample: number;
  /** Seconds from the beginning of the speech to the word. */
  readonly startSeconds: number;
  /** Seconds from the beginning of the speech to the end of the word. */
  readonly endSeconds: number;
}

/** When the speech reaches a mark of SSML. */
export interface MarkTime {
  readonly name: string;
  /** Index of the mark in the text, in code points. */
  readonly position: number;
  /** The sample at which the text after it begins. */
  readonly sample: number;
  /** Seconds from the beginning of the speech to the mark. */
  readonly startSeconds: number;
}

/** A chunk of mono audio with its position in the speech and in the text. */
export class AudioChunk {
  /** The next bytes of the stream or file. */
  readonly audio: Uint8Array;
  /** Number of samples before this chunk. */
  readonly firstSample: number;
  readonly sampleCount: number;
  /** Samples per second. */
  readonly sampleRate: number;
  readonly encoding: Encoding;
  /** Index of the first code point of the segment that is spoken. */
  readonly textStart: number;
  /** Index of the code point after its last one. */
  readonly textEnd: number;
  /** With `wordTimes`: the words that arrived just before. */
  readonly words: readonly WordTime[];

  constructor(fields: Omit<AudioChunk, "samples" | "durationSeconds">) {
    this.audio = fields.audio;
    this.firstSample = fields.firstSample;
    this.sampleCount = fields.sampleCount;
    this.sampleRate = fields.sampleRate;
    this.encoding = fields.encoding;
    this.textStart = fields.textStart;
    this.textEnd = fields.textEnd;
    this.words = fields.words;
  }

  /** Seconds that the chunk plays. */
  get durationSeconds(): number {
    return this.sampleCount / this.sampleRate;
  }

  /**
   * Decodes the chunk.
   *
   * @returns sampleCount samples, nominally in [-1, 1].
   * @throws TypeError if chunks of this encoding are parts of a file, which only a decoder can read.
   */
  samples(): Float32Array {
    const { audio } = this;
    const view = new DataView(audio.buffer, audio.byteOffset, audio.byteLength);
    const length = this.sampleCount;
    switch (this.encoding) {
      case "pcm16":
        return Float32Array.from({ length }, (_, index) => view.getInt16(2 * index, true) / 32768);
      case "float32":
        return Float32Array.from({ length }, (_, index) => view.getFloat32(4 * index, true));
      case "mulaw":
        return decodeMulaw(audio);
      case "alaw":
        return decodeAlaw(audio);
      default:
        throw new TypeError(`a chunk of ${this.encoding} cannot be decoded alone: ask for pcm16`);
    }
  }
}

/** The work of one stage for a synthesis. */
export interface StageReport {
  /** "semantic", "coarse", "fine" or "codec". */
  readonly stage: string;
  /** Tokens, codes, frames or samples. */
  readonly outputCount: number;
  /** Milliseconds before the computation. */
  readonly queueMs: number;
  /** Milliseconds of computation. */
  readonly computeMs: number;
  /** Milliseconds from the arrival of the request to the first output. 0: no output, or an older server. */
  readonly firstOutputMs: number;
  /** The same for the last output. */
  readonly lastOutputMs: number;
}

/** Why a speech ended. After "length", the end of a segment may be missing. */
export type FinishReason = "unspecified" | "stop" | "length" | "silence" | "cancelled";

/** How one segment of the text was spoken. */
export interface SegmentReport {
  /** Index of the first code point in the text. */
  readonly textStart: number;
  /** Index of the code point after the last one. */
  readonly textEnd: number;
  readonly finishReason: FinishReason;
  readonly firstSample: number;
  readonly sampleCount: number;
  /** The seed of the last of `redraws` + 1 attempts. */
  readonly seed: bigint;
  readonly redraws: number;
}

/** Something that the listener may miss. The synthesis did not fail. */
export interface SpeechWarning {
  /** "text_skipped", "language", "length_limit" ...; newer servers send others, as "unspecified". */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** Index of the first code point that it is about; undefined: the whole speech. */
  readonly textStart: number | undefined;
  /** Index of the code point after the last one. */
  readonly textEnd: number | undefined;
}

/** How a synthesis ended. */
export interface Finished {
  readonly finishReason: FinishReason;
  readonly sampleCount: number;
  readonly stages: readonly StageReport[];
  /** With `returnVoice`: continues this speech. */
  readonly voice: HistoryPrompt | undefined;
  /** With `keepVoice`: the same. */
  readonly voiceHandle: VoiceHandle | undefined;
  /** Why the voice was not kept. */
  readonly voiceHandleError: string;
  /** At most the last 1000. */
  readonly segments: readonly SegmentReport[];
  /** At most the first 100. */
  readonly warnings: readonly SpeechWarning[];
}

const ENCODING_NAMES = new Map(
  Object.entries(ENCODINGS).map(([name, number]) => [number, name as Encoding]),
);

const REASONS: Readonly<Record<ReasonNumber, FinishReason>> = {
  [ReasonNumber.UNSPECIFIED]: "unspecified",
  [ReasonNumber.STOP]: "stop",
  [ReasonNumber.LENGTH]: "length",
  [ReasonNumber.SILENCE]: "silence",
  [ReasonNumber.CANCELLED]: "cancelled",
};

/** Returns the names of encodings, without those that this client does not know. */
export function encodingNames(numbers: readonly number[]): Encoding[] {
  return numbers.flatMap((number) => ENCODING_NAMES.get(number) ?? []);
}

/**
 * Decodes a `started` response.
 *
 * @throws ServerError if the encoding is unknown to this client.
 */
export function decodeStarted(message: SynthesisStarted): Started {
  const encoding = ENCODING_NAMES.get(message.encoding);
  if (encoding === undefined)
    throw new ServerError(
      `the server chose encoding ${message.encoding}, which this client does not know: update barkclient`,
    );
  return {
    requestId: message.requestId,
    seed: message.seed,
    voice: message.voice,
    encoding,
    sampleRate: message.sampleRateHertz,
    speakingRate: message.speakingRate,
    model: message.model,
    modelRevision: message.modelRevision,
  };
}

/**
 * Decodes an `audio` response.
 *
 * @throws ServerError if the bytes are not whole samples, or not as many as announced.
 */
export function decodeAudio(
  message: AudioMessage,
  started: Started,
  words: readonly WordTime[],
): AudioChunk {
  const width = SAMPLE_BYTES[started.encoding];
  const announced = Number(message.sampleCount);
  const sampleCount = width === undefined ? announced : message.audio.length / width;
  if (!Number.isInteger(sampleCount) || ![0, sampleCount].includes(announced))
    throw new ServerError("the server violated the protocol: a chunk of incomplete samples");
  return new AudioChunk({
    audio: message.audio,
    firstSample: Number(message.firstSample),
    sampleCount,
    sampleRate: started.sampleRate,
    encoding: started.encoding,
    textStart: message.textSpan?.start ?? 0,
    textEnd: message.textSpan?.end ?? 0,
    words,
  });
}

/** Decodes a `words` response, in the order of speech. */
export function decodeWords(message: WordTimes, started: Started): WordTime[] {
  return message.words.map((word) => ({
    word: word.word,
    textStart: word.textSpan?.start ?? 0,
    textEnd: word.textSpan?.end ?? 0,
    firstSample: Number(word.firstSample),
    endSample: Number(word.endSample),
    startSeconds: Number(word.firstSample) / started.sampleRate,
    endSeconds: Number(word.endSample) / started.sampleRate,
  }));
}

/** Decodes the marks of a `words` response, in the order of speech. */
export function decodeMarks(message: WordTimes, started: Started): MarkTime[] {
  return message.marks.map((mark) => ({
    name: mark.name,
    position: mark.position,
    sample: Number(mark.sample),
    startSeconds: Number(mark.sample) / started.sampleRate,
  }));
}

/** Decodes a `finished` response. */
export function decodeFinished(message: SynthesisFinished): Finished {
  return {
    finishReason: reason(message.finishReason),
    sampleCount: Number(message.sampleCount),
    stages: message.stages.map((report) => ({
      stage: report.stage,
      outputCount: Number(report.outputCount),
      queueMs: report.queueMs,
      computeMs: report.computeMs,
      firstOutputMs: report.firstOutputMs,
      lastOutputMs: report.lastOutputMs,
    })),
    voice: message.voice === undefined ? undefined : decodePrompt(message.voice),
    voiceHandle: message.voiceHandle === "" ? undefined : { handle: message.voiceHandle },
    voiceHandleError: message.voiceHandleError,
    segments: message.segments.map((segment) => ({
      textStart: segment.textSpan?.start ?? 0,
      textEnd: segment.textSpan?.end ?? 0,
      finishReason: reason(segment.finishReason),
      firstSample: Number(segment.firstSample),
      sampleCount: Number(segment.sampleCount),
      seed: segment.seed,
      redraws: segment.redraws,
    })),
    warnings: message.warnings.map(decodeWarning),
  };
}

function decodeWarning(message: WarningMessage): SpeechWarning {
  return {
    code: (WarningCode[message.code] ?? "UNSPECIFIED").toLowerCase(),
    message: message.message,
    textStart: message.textSpan?.start,
    textEnd: message.textSpan?.end,
  };
}

function reason(number: ReasonNumber): FinishReason {
  return REASONS[number] ?? "unspecified";
}
