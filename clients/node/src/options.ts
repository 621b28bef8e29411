/** Options of a synthesis, and the requests that carry them. */

import { clone, create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { InvalidRequest } from "./errors.js";
import { DeliveryMode, type SamplingSchema } from "./gen/barkserve/v1/common_pb.js";
import {
  AudioEncoding as EncodingNumber,
  TextFormat as FormatNumber,
  type LexiconEntrySchema,
  type Resume,
  type StreamingConfig,
  StreamingConfigSchema,
  type SynthesizeRequest,
  SynthesizeRequestSchema,
} from "./gen/barkserve/v1/speech_pb.js";
import { type VoiceLike, voiceSelection } from "./voices.js";

/** "exact" equals offline generation and starts later. */
export type Delivery = "streaming" | "exact";

/** The encoding of the audio bytes. All chunks together are one file or one raw stream. */
export type Encoding = "pcm16" | "float32" | "mulaw" | "alaw" | "wav" | "flac" | "ogg_opus" | "mp3";

/** The format of a text. "auto": "ssml" if it starts with <speak>, else "markdown". */
export type TextFormat = "auto" | "plain" | "markdown" | "ssml";

/** Numbers of the encodings in the protos. */
export const ENCODINGS: Readonly<Record<Encoding, EncodingNumber>> = {
  pcm16: EncodingNumber.PCM16,
  float32: EncodingNumber.FLOAT32,
  mulaw: EncodingNumber.MULAW,
  alaw: EncodingNumber.ALAW,
  wav: EncodingNumber.WAV,
  flac: EncodingNumber.FLAC,
  ogg_opus: EncodingNumber.OGG_OPUS,
  mp3: EncodingNumber.MP3,
};

/** Bytes per sample, for the encodings that consist only of samples. */
export const SAMPLE_BYTES: Readonly<Partial<Record<Encoding, number>>> = {
  pcm16: 2,
  float32: 4,
  mulaw: 1,
  alaw: 1,
};

const DELIVERIES: Readonly<Record<Delivery, DeliveryMode>> = {
  streaming: DeliveryMode.STREAMING,
  exact: DeliveryMode.EXACT,
};

const TEXT_FORMATS: Readonly<Record<TextFormat, FormatNumber>> = {
  auto: FormatNumber.AUTO,
  plain: FormatNumber.PLAIN,
  markdown: FormatNumber.MARKDOWN,
  ssml: FormatNumber.SSML,
};

/** How a model samples its next token. Absent: the checkpoint's default. */
export interface Sampling {
  /** Divides the logits. Above 0, at most 10. */
  readonly temperature?: number;
  /** Samples from the k most likely tokens only; 0: from all. */
  readonly topK?: number;
  /** Samples from the smallest set of tokens with this probability. Above 0, at most 1. */
  readonly topP?: number;
  /** Always takes the most likely token. */
  readonly greedy?: boolean;
}

/** Options of the semantic model, which decides pace and intonation. */
export interface SemanticOptions extends Sampling {
  /** Ends the utterance when the end is at least this probable. Above 0, below 1. */
  readonly minEosP?: number;
  /** Maximum number of tokens, 1 to 768; 49.9 tokens are one second. */
  readonly maxTokens?: number;
}

/** Options of the fine model. Of the sampling, it uses only `temperature` and `greedy`. */
export interface FineOptions extends Sampling {
  /** Frames (1/75 s) that must follow a frame before it is sent, 0 to 512. */
  readonly lookaheadFrames?: number;
}

/** How to end a segment that continues after its text. Absent: the server's default. */
export interface TailOptions {
  /** Maximum seconds per character, in addition to 2 s; 0: no limit; at most 10. */
  readonly maxSecondsPerCharacter?: number;
  /** Seconds of silence to keep at the end of a segment, 0 to 10. */
  readonly maxSilenceSeconds?: number;
  /** Number of further attempts for a failed segment, 0 to 3; needs delivery "exact". Default: 0. */
  readonly maxRedraws?: number;
}

/** How a word is read. It needs either a spelling or sounds. */
export interface LexiconEntry {
  /** The word as it is written, at most 64 characters; it may hold spaces. */
  readonly word: string;
  /** Text that is read in its place. */
  readonly spelling?: string;
  /** Its sounds in the International Phonetic Alphabet. */
  readonly ipa?: string;
  /** Whether upper and lower case must be as in `word`. Default: false. */
  readonly matchCase?: boolean;
}

/** Options of every call. */
export interface CallOptions {
  /** Ends the call at once. The reader gets the signal's reason, by default an AbortError. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the last response. Default: the client's. */
  readonly timeoutMs?: number;
}

/** Options of a speech. */
export interface SpeechOptions {
  /** A name, "none", a handle, an .npz file or the tokens. Absent: the server's default. */
  readonly voice?: VoiceLike;
  /** The same seed gives the same audio. 0 to 2^63 - 1. Absent: the server chooses one. */
  readonly seed?: number | bigint;
  /** Every model always takes its most likely token. Default: false. */
  readonly greedy?: boolean;
  /** Default: "streaming". */
  readonly delivery?: Delivery;
  /** Default: "pcm16". */
  readonly encoding?: Encoding;
  /** Samples per second, 8000 to 48000. Default: the checkpoint's own rate, 24000. */
  readonly sampleRate?: number;
  /** Milliseconds of audio in the first chunk, 0 to 1000. Absent: as soon as possible. */
  readonly firstChunkMs?: number;
  /** Milliseconds of audio in later chunks, 20 to 5000. Absent: as generated. */
  readonly chunkMs?: number;
  /** Speed at the same pitch, 0.5 to 2. Default: 1. */
  readonly speakingRate?: number;
  /** Gain in decibels, -40 to 40. Default: 0. */
  readonly gainDb?: number;
  /** Limits peaks that the gain raises too high, instead of clipping them. Default: false. */
  readonly limitPeaks?: boolean;
  /** BCP 47 code, to find sentence ends. Absent: the voice's. */
  readonly language?: string;
  /** Format of the text. "auto": "ssml" after <speak>, else "markdown". Default: "auto". */
  readonly textFormat?: TextFormat;
  /** Fills `words` with the time of each word. Default: false. */
  readonly wordTimes?: boolean;
  /** How words are read: spellings by words, or entries. */
  readonly lexicon?: Readonly<Record<string, string>> | readonly LexiconEntry[];
  /** How to end a segment that continues after its text. */
  readonly tail?: TailOptions;
  /** Name for the server's logs and `started`, at most 128 characters. */
  readonly requestId?: string;
  /** `finished.voice` is then a voice that continues this speech. Default: false. */
  readonly returnVoice?: boolean;
  /** `finished.voiceHandle` is then the same voice, kept on the server. Default: false. */
  readonly keepVoice?: boolean;
  /** Options of the semantic model. */
  readonly semantic?: SemanticOptions;
  /** Options of the coarse model. */
  readonly coarse?: Sampling;
  /** Options of the fine model. */
  readonly fine?: FineOptions;
}

/** Options of a text that is still being written. */
export interface StreamOptions extends SpeechOptions {
  /** Maximum milliseconds that text waits for the end of its sentence, 0 to 60000. Default: 400. */
  readonly maxDelayMs?: number;
}

/**
 * Builds the request of one synthesis.
 *
 * @throws InvalidRequest if an option cannot be sent. The server checks the others.
 */
export function buildRequest(text: string, options: SpeechOptions): SynthesizeRequest {
  const { semantic, fine, tail } = options;
  const encoding = chosen("encoding", options.encoding ?? "pcm16", ENCODINGS);
  const textFormat = chosen("textFormat", options.textFormat ?? "auto", TEXT_FORMATS);
  const deliveryMode = chosen("delivery", options.delivery ?? "streaming", DELIVERIES);
  return encodable(() => {
    const request = create(SynthesizeRequestSchema, {
      text,
      voice: voiceSelection(options.voice),
      audioFormat: {
        encoding,
        sampleRateHertz: options.sampleRate,
        firstChunkMs: options.firstChunkMs,
        chunkMs: options.chunkMs,
        gainDb: options.gainDb,
        limitPeaks: options.limitPeaks,
      },
      seed: options.seed === undefined ? undefined : BigInt(options.seed),
      deliveryMode,
      greedy: options.greedy,
      semantic: {
        sampling: sampling(semantic),
        minEosP: semantic?.minEosP,
        maxTokens: semantic?.maxTokens,
      },
      coarse: { sampling: sampling(options.coarse) },
      fine: { sampling: sampling(fine), lookaheadFrames: fine?.lookaheadFrames },
      speakingRate: options.speakingRate,
      requestId: options.requestId,
      returnVoice: options.returnVoice,
      keepVoice: options.keepVoice,
      languageCode: options.language,
      textFormat,
      wordTimes: options.wordTimes,
      lexicon: lexicon(options.lexicon),
      tail,
    });
    toBinary(SynthesizeRequestSchema, request);
    return request;
  });
}

/** Builds the message that opens a context; errors as in buildRequest. */
export function buildConfig(options: StreamOptions): StreamingConfig {
  const request = buildRequest("", options);
  return encodable(() => {
    const config = create(StreamingConfigSchema, {
      options: request,
      maxDelayMs: options.maxDelayMs,
    });
    toBinary(StreamingConfigSchema, config);
    return config;
  });
}

/** Returns the request that continues a synthesis; an undefined `resume` changes nothing. */
export function resumedRequest(
  request: SynthesizeRequest,
  resume: Resume | undefined,
): SynthesizeRequest {
  const changed = clone(SynthesizeRequestSchema, request);
  changed.resume = resume;
  return changed;
}

/** Returns the message that opens a context again; an undefined `resume` changes nothing. */
export function resumedConfig(
  config: StreamingConfig,
  resume: Resume | undefined,
): StreamingConfig {
  const changed = clone(StreamingConfigSchema, config);
  if (changed.options !== undefined) changed.options.resume = resume;
  return changed;
}

/** Returns a number that fits its field, or reports it as a wrong request. */
function encodable<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof InvalidRequest) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InvalidRequest(`the request cannot be encoded: ${reason}`, [], { cause: error });
  }
}

function chosen<Name extends string, Value>(
  field: string,
  name: Name,
  values: Readonly<Record<Name, Value>>,
): Value {
  if (Object.hasOwn(values, name)) return values[name];
  throw InvalidRequest.ofField(field, `"${name}" is not one of ${Object.keys(values).join(", ")}`);
}

function lexicon(entries: SpeechOptions["lexicon"]): MessageInitShape<typeof LexiconEntrySchema>[] {
  const list: readonly LexiconEntry[] = Array.isArray(entries)
    ? entries
    : Object.entries(entries ?? {}).map(([word, spelling]) => ({ word, spelling }));
  return list.map(({ word, spelling, ipa, matchCase }) => ({
    word,
    matchCase,
    reading:
      spelling !== undefined
        ? { case: "spelling", value: spelling }
        : ipa !== undefined
          ? { case: "ipa", value: ipa }
          : { case: undefined },
  }));
}

function sampling(options: Sampling | undefined): MessageInitShape<typeof SamplingSchema> {
  const { temperature, topK, topP, greedy } = options ?? {};
  return { temperature, topK, topP, greedy };
}
