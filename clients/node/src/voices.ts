/** Voices: by name, by handle, as .npz files in Suno's format, or as tokens. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { InvalidRequest, ServerError } from "./errors.js";
import type {
  HistoryPrompt as HistoryPromptMessage,
  HistoryPromptSchema,
} from "./gen/barkserve/v1/common_pb.js";
import {
  type Voice as VoiceMessage,
  VoiceOrigin,
  type VoiceSelection,
  VoiceSelectionSchema,
} from "./gen/barkserve/v1/speech_pb.js";

const COARSE_CODEBOOKS = 2;
const FINE_CODEBOOKS = 8;
const HANDLE_PREFIX = "handle:";

/** A named voice of the server. */
export interface Voice {
  readonly name: string;
  /** Whether requests without a voice use this one. */
  readonly isDefault: boolean;
  /** A BCP 47 code; empty: unknown. */
  readonly language: string;
  readonly description: string;
  /** Whether a client created it. It can then be deleted. */
  readonly stored: boolean;
}

/** A voice made from earlier speech and kept on the server for a limited time. */
export interface VoiceHandle {
  readonly handle: string;
}

/** A NumPy .npz file in the format that Suno publishes. */
export interface VoiceFile {
  /** The bytes of the file. At most 1 MiB. */
  readonly npz: Uint8Array;
}

/** A voice as tokens of earlier speech, which Bark continues. A frame is 1/75 s. */
export interface HistoryPrompt {
  /** Semantic tokens, 49.9 per second. */
  readonly semanticPrompt: readonly number[];
  /** 2 rows: the codes of each frame, for the first two codebooks. */
  readonly coarsePrompt: readonly (readonly number[])[];
  /** 8 rows: the codes of each frame, for all codebooks. */
  readonly finePrompt: readonly (readonly number[])[];
}

/** Whatever selects a voice. A string is a name, "none", or "handle:" and a handle. */
export type VoiceLike = string | Pick<Voice, "name"> | VoiceHandle | VoiceFile | HistoryPrompt;

/** A voice to store. */
export interface NewVoice {
  /** A BCP 47 code. Absent: the language of the source, if known. */
  readonly language?: string;
  /** At most 500 characters. */
  readonly description?: string;
  /** Replaces a stored voice of the same name. Default: false. */
  readonly replace?: boolean;
}

/**
 * Builds the voice selection of a request. Undefined: the server's default voice.
 *
 * @throws InvalidRequest if the tokens have a wrong shape.
 */
export function voiceSelection(voice: VoiceLike | undefined): VoiceSelection | undefined {
  return voice === undefined ? undefined : create(VoiceSelectionSchema, { voice: selected(voice) });
}

function selected(
  voice: VoiceLike,
): NonNullable<MessageInitShape<typeof VoiceSelectionSchema>["voice"]> {
  if (typeof voice === "string")
    return voice.startsWith(HANDLE_PREFIX)
      ? { case: "handle", value: voice.slice(HANDLE_PREFIX.length) }
      : { case: "name", value: voice };
  if ("handle" in voice) return { case: "handle", value: voice.handle };
  if ("npz" in voice) return { case: "npz", value: Uint8Array.from(voice.npz) };
  if ("name" in voice) return { case: "name", value: voice.name };
  if ("semanticPrompt" in voice) return { case: "historyPrompt", value: encodePrompt(voice) };
  throw InvalidRequest.ofField("voice", "must be a name, a handle, an .npz file or tokens");
}

/** Decodes the description of a voice. */
export function decodeVoice(message: VoiceMessage | undefined): Voice {
  if (message === undefined) throw new ServerError("the server violated the protocol: no voice");
  return {
    name: message.name,
    isDefault: message.isDefault,
    language: message.languageCode,
    description: message.description,
    stored: message.origin === VoiceOrigin.STORED,
  };
}

/**
 * Decodes the tokens of a voice.
 *
 * @throws ServerError if the codes are not whole frames.
 */
export function decodePrompt(message: HistoryPromptMessage | undefined): HistoryPrompt {
  const frames = (message?.coarsePrompt.length ?? 0) / COARSE_CODEBOOKS;
  if (message === undefined || !frames || message.finePrompt.length !== frames * FINE_CODEBOOKS)
    throw new ServerError("the server violated the protocol: a voice with incomplete frames");
  return {
    semanticPrompt: message.semanticPrompt,
    coarsePrompt: rows(message.coarsePrompt, COARSE_CODEBOOKS),
    finePrompt: rows(message.finePrompt, FINE_CODEBOOKS),
  };
}

function encodePrompt(prompt: HistoryPrompt): MessageInitShape<typeof HistoryPromptSchema> {
  return {
    semanticPrompt: [...prompt.semanticPrompt],
    coarsePrompt: flat("coarsePrompt", prompt.coarsePrompt, COARSE_CODEBOOKS),
    finePrompt: flat("finePrompt", prompt.finePrompt, FINE_CODEBOOKS),
  };
}

/** Orders codes as the proto has them: frame by frame. */
function flat(field: string, codes: readonly (readonly number[])[], count: number): number[] {
  const frames = codes[0]?.length ?? 0;
  if (codes.length !== count || codes.some((row) => row.length !== frames))
    throw InvalidRequest.ofField(`voice.${field}`, `must have ${count} rows of the same length`);
  return Array.from({ length: frames }, (_, frame) => codes.map((row) => row[frame] ?? 0)).flat();
}

function rows(codes: readonly number[], count: number): number[][] {
  return Array.from({ length: count }, (_, row) =>
    codes.filter((_, index) => index % count === row),
  );
}
