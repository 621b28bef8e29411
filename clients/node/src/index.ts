/**
 * Node.js client of barkserve: text in, audio out while the text is still being spoken.
 *
 * @packageDocumentation
 */

export { BarkClient, type BarkClientOptions } from "./client.js";
export {
  BarkClientError,
  Cancelled,
  CannotResume,
  DeadlineExceeded,
  type FieldViolation,
  InvalidRequest,
  Overloaded,
  PermissionDenied,
  PreconditionFailed,
  RetryableError,
  ServerError,
  ServerUnavailable,
  SessionExpired,
  Unauthenticated,
  VoiceExists,
  VoiceNotFound,
  VoiceStoreFull,
} from "./errors.js";
export type { Texts } from "./internal/text-source.js";
export type { Token } from "./internal/token.js";
export type {
  CallOptions,
  Delivery,
  Encoding,
  FineOptions,
  LexiconEntry,
  Sampling,
  SemanticOptions,
  SpeechOptions,
  StreamOptions,
  TailOptions,
  TextFormat,
} from "./options.js";
export {
  AudioChunk,
  type Finished,
  type FinishReason,
  type MarkTime,
  type SegmentReport,
  type SpeechWarning,
  type StageReport,
  type Started,
  type WordTime,
} from "./responses.js";
export type { ServerInfo, ServerLimits } from "./server-info.js";
export { Speech } from "./speech.js";
export { type ContextOptions, SpeechContext, SpeechStream } from "./speech-stream.js";
export { Synthesis } from "./synthesis.js";
export type { Pem, Tls } from "./tls.js";
export type {
  HistoryPrompt,
  NewVoice,
  Voice,
  VoiceFile,
  VoiceHandle,
  VoiceLike,
} from "./voices.js";
export { wav } from "./wav.js";
