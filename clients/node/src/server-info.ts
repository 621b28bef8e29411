/** A server's description of itself as plain values. */

import type { GetServerInfoResponse } from "./gen/barkserve/v1/speech_pb.js";
import type { Encoding } from "./options.js";
import { encodingNames } from "./responses.js";

/** Limits of a server. 0: an older server does not report it. */
export interface ServerLimits {
  /** Code points of one text. */
  readonly maxTextCharacters: number;
  /** Contexts that are open at once in one stream. */
  readonly maxContexts: number;
  /** Streams at the same time, over all callers. */
  readonly maxStreams: number;
  /** Bytes of an .npz voice. */
  readonly maxVoiceBytes: number;
  /** Stored voices and handles; 0: no voice store. */
  readonly maxStoredVoices: number;
  /** Seconds after which a voice handle expires. */
  readonly voiceHandleSeconds: number;
  /** Samples per second. */
  readonly minSampleRate: number;
  /** Samples per second. */
  readonly maxSampleRate: number;
  /** Minimum of the option `speakingRate`. */
  readonly minSpeakingRate: number;
  /** Maximum of the option `speakingRate`. */
  readonly maxSpeakingRate: number;
  readonly minChunkMs: number;
  readonly maxChunkMs: number;
}

/** Version, model, formats and limits of a server. */
export interface ServerInfo {
  /** Version of barkserve. */
  readonly version: string;
  readonly model: string;
  readonly modelRevision: string;
  /** The checkpoint's own rate, in samples per second. */
  readonly sampleRate: number;
  readonly defaultVoice: string;
  /** The encodings that both the server and this client know. */
  readonly encodings: readonly Encoding[];
  /** BCP 47 codes of the voices; empty: unknown. */
  readonly languages: readonly string[];
  readonly limits: ServerLimits;
}

/** Decodes GetServerInfo. */
export function decodeServerInfo(message: GetServerInfoResponse): ServerInfo {
  const limits = message.limits;
  return {
    version: message.version,
    model: message.model,
    modelRevision: message.modelRevision,
    sampleRate: message.sampleRateHertz,
    defaultVoice: message.defaultVoice,
    encodings: encodingNames(message.encodings),
    languages: message.languageCodes,
    limits: {
      maxTextCharacters: Number(limits?.maxTextCharacters ?? 0),
      maxContexts: limits?.maxContexts ?? 0,
      maxStreams: limits?.maxStreams ?? 0,
      maxVoiceBytes: Number(limits?.maxVoiceBytes ?? 0),
      maxStoredVoices: limits?.maxStoredVoices ?? 0,
      voiceHandleSeconds: Number(limits?.voiceHandleSeconds ?? 0),
      minSampleRate: limits?.minSampleRateHertz ?? 0,
      maxSampleRate: limits?.maxSampleRateHertz ?? 0,
      minSpeakingRate: limits?.minSpeakingRate ?? 0,
      maxSpeakingRate: limits?.maxSpeakingRate ?? 0,
      minChunkMs: limits?.minChunkMs ?? 0,
      maxChunkMs: limits?.maxChunkMs ?? 0,
    },
  };
}
