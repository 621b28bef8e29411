/**
 * The error tree of the client, and the mapping of gRPC's statuses to it.
 *
 * ```text
 * BarkClientError
 * ├── RetryableError         the same call may succeed later
 * │   ├── Overloaded         the server is full; `retryAfterMs` says when to retry  RESOURCE_EXHAUSTED
 * │   ├── ServerUnavailable  the server cannot be reached, or the connection broke  UNAVAILABLE
 * │   ├── SessionExpired     the server ended a call that was idle for too long     ABORTED
 * │   └── DeadlineExceeded   the call took longer than its timeout                  DEADLINE_EXCEEDED
 * ├── InvalidRequest         the request is wrong; `violations` name the fields     INVALID_ARGUMENT
 * ├── Unauthenticated        the server needs a token, or rejects this one          UNAUTHENTICATED
 * ├── PermissionDenied       the token's owner lacks a role for this call           PERMISSION_DENIED
 * ├── VoiceNotFound          no voice has this name or handle                       NOT_FOUND
 * ├── VoiceExists            a voice has this name already                          ALREADY_EXISTS
 * ├── VoiceStoreFull         the server stores no more voices until one is deleted  RESOURCE_EXHAUSTED
 * ├── PreconditionFailed     the server is not configured for this request          FAILED_PRECONDITION
 * │   └── CannotResume       the connection broke, and this server speaks differently
 * ├── Cancelled              the call was closed by this client, or by the server   CANCELLED
 * └── ServerError            anything else: the server failed or broke the protocol
 * ```
 */

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { Metadata, status as StatusCode } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";

/** Base class of all errors that this package throws on purpose. The message is one line. */
export class BarkClientError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A failure that the same call may not have later, or at another server. */
export class RetryableError extends BarkClientError {}

/** One field of a request that is wrong. */
export interface FieldViolation {
  /** Its path in the request, such as "semantic.sampling.temperature". */
  readonly field: string;
  /** What is wrong with it. */
  readonly description: string;
}

/** A request that cannot be served as it is. A retry does not help. */
export class InvalidRequest extends BarkClientError {
  /** The fields that are wrong, as far as known. */
  readonly violations: readonly FieldViolation[];

  constructor(message: string, violations: readonly FieldViolation[] = [], options?: ErrorOptions) {
    super(message, options);
    this.violations = violations;
  }

  /** Returns the error for one field that the client itself found wrong. */
  static ofField(field: string, description: string): InvalidRequest {
    return new InvalidRequest(`${field}: ${description}`, [{ field, description }]);
  }
}

/** A server that needs a token, or does not accept the one that the client sent. */
export class Unauthenticated extends BarkClientError {}

/** A token whose owner lacks a role for the call. */
export class PermissionDenied extends BarkClientError {}

/** A voice name or handle that the server does not know. */
export class VoiceNotFound extends BarkClientError {}

/** A voice name that is taken. */
export class VoiceExists extends BarkClientError {}

/** A server that has reached its limit of stored voices. */
export class VoiceStoreFull extends BarkClientError {}

/** A server that is not configured for the request: for instance, it has no voice store. */
export class PreconditionFailed extends BarkClientError {}

/** A speech whose connection broke, and that the next server would not continue as it began. */
export class CannotResume extends PreconditionFailed {}

/** A server without capacity for another stream. */
export class Overloaded extends RetryableError {
  /** Milliseconds to wait before the next attempt; undefined if the server did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** A server or a stage that cannot be reached, or whose connection broke. */
export class ServerUnavailable extends RetryableError {}

/** A call that the server ended because it was idle for too long. */
export class SessionExpired extends RetryableError {}

/** A call that took longer than its timeout. */
export class DeadlineExceeded extends RetryableError {}

/** A call that was closed by this client, or cancelled by the server. */
export class Cancelled extends BarkClientError {}

/** A server that failed or broke the protocol. */
export class ServerError extends BarkClientError {}

const STARTER = "barkserve up";
const DETAILS_KEY = "grpc-status-details-bin";
// The texts of gRPC's own failures.
const NO_SERVER = "No connection established";
const NO_SUCH_HOST = "Name resolution failed";
const GRPC_PORT = "give the server's gRPC port, 50051 unless --port changed it";
/** Signs of another protocol in the reason of a failed connection, and what to say. */
const WRONG_PORT: readonly (readonly [RegExp, string])[] = [
  [/protocol error/i, `speaks HTTP/1, not gRPC: ${GRPC_PORT}`],
  [/wrong.version.number|packet.length.too.long/i, "does not use TLS: leave out the option tls"],
  [
    /failed to connect|socket hang up|disconnected before secure/i,
    "closes connections without an answer: if the server uses TLS, give the option tls",
  ],
];
const TLS_FAILED = /ssl|tls|certificate|self-signed|handshake|altname/i;
const TOO_LARGE = "larger than max";

/**
 * Returns the error for a failed RPC.
 *
 * @param failure - what the call threw. Errors that are not gRPC's are returned as they are.
 * @param target - the server's address, for the message.
 */
export function fromFailure(failure: unknown, target: string): unknown {
  if (!isServiceError(failure)) return failure;
  const details = sentStatus(failure)?.details ?? [];
  return fromStatus({ code: failure.code, message: failure.details, details }, target, failure);
}

/**
 * Returns the status that the server sent with an error; an empty one if it cannot be parsed.
 * Undefined if the server sent none: the failure is gRPC's own.
 */
export function sentStatus(failure: ServiceError): Pick<Status, "details"> | undefined {
  const sent = failure.metadata.get(DETAILS_KEY)[0];
  if (!(sent instanceof Uint8Array)) return undefined;
  try {
    return fromBinary(StatusSchema, sent);
  } catch {
    return { details: [] };
  }
}

/** Whether a value is an error of grpc-js. */
export function isServiceError(value: unknown): value is ServiceError {
  return value instanceof Error && (value as Partial<ServiceError>).metadata instanceof Metadata;
}

/**
 * Returns the error for a status: of a failed RPC, or of a context in a stream.
 *
 * @param status - code, message and google.rpc details.
 * @param target - the server's address, for the message.
 * @param cause - what gRPC threw.
 */
export function fromStatus(
  status: Pick<Status, "code" | "message" | "details">,
  target: string,
  cause?: unknown,
): BarkClientError {
  const text = status.message.split(/\s+/).filter(Boolean).join(" ") || "no reason given";
  switch (status.code) {
    case StatusCode.INVALID_ARGUMENT:
      return new InvalidRequest(text, violations(status), { cause });
    case StatusCode.RESOURCE_EXHAUSTED:
      return exhausted(text, status, cause);
    case StatusCode.UNAUTHENTICATED:
      return new Unauthenticated(text, { cause });
    case StatusCode.PERMISSION_DENIED:
      return new PermissionDenied(text, { cause });
    case StatusCode.NOT_FOUND:
      return new VoiceNotFound(text, { cause });
    case StatusCode.ALREADY_EXISTS:
      return new VoiceExists(text, { cause });
    case StatusCode.FAILED_PRECONDITION:
      return isAboutResuming(status)
        ? new CannotResume(text, { cause })
        : new PreconditionFailed(text, { cause });
    case StatusCode.UNAVAILABLE:
      return new ServerUnavailable(whyUnavailable(text, target), { cause });
    case StatusCode.ABORTED:
      return new SessionExpired(text, { cause });
    case StatusCode.DEADLINE_EXCEEDED:
      return new DeadlineExceeded(`${target} did not finish in time: allow a longer timeout`, {
        cause,
      });
    case StatusCode.CANCELLED:
      return new Cancelled(`the call to ${target} was cancelled: ${text}`, { cause });
    case StatusCode.UNIMPLEMENTED:
      return new ServerError(
        `${target} is not a barkserve orchestrator, or has an older version: ${text}`,
        { cause },
      );
    default:
      return new ServerError(
        `${target} failed with ${StatusCode[status.code] ?? status.code}: ${text}`,
        { cause },
      );
  }
}

function whyUnavailable(text: string, target: string): string {
  if (text.startsWith(NO_SERVER)) {
    for (const [sign, message] of WRONG_PORT) if (sign.test(text)) return `${target} ${message}`;
    return TLS_FAILED.test(text)
      ? `TLS with ${target} failed: check the option tls (${text})`
      : `nothing answers at ${target}: start a server with \`${STARTER}\``;
  }
  if (text.startsWith(NO_SUCH_HOST))
    return `the host of ${target} cannot be resolved: check the spelling`;
  return `${target} is unavailable: ${text}`;
}

function exhausted(text: string, status: Pick<Status, "details">, cause: unknown): BarkClientError {
  if (text.includes(TOO_LARGE)) return new InvalidRequest(text, [], { cause });
  if (details(status, QuotaFailureSchema).length > 0) return new VoiceStoreFull(text, { cause });
  for (const retry of details(status, RetryInfoSchema)) {
    const retryAfterMs = retry.retryDelay === undefined ? 0 : durationMs(retry.retryDelay);
    const message = `${text} (try again in ${retryAfterMs / 1000} s)`;
    return new Overloaded(message, retryAfterMs, { cause });
  }
  return new Overloaded(`${text} (try again later)`, undefined, { cause });
}

function isAboutResuming(status: Pick<Status, "details">): boolean {
  return details(status, PreconditionFailureSchema).some((failure) =>
    failure.violations.some((violation) => violation.type === "RESUME"),
  );
}

function violations(status: Pick<Status, "details">): FieldViolation[] {
  return details(status, BadRequestSchema).flatMap((request) =>
    request.fieldViolations.map(({ field, description }) => ({ field, description })),
  );
}

/** Returns the details of one kind, without those that cannot be parsed. */
function details<Schema extends DescMessage>(
  status: Pick<Status, "details">,
  schema: Schema,
): MessageShape<Schema>[] {
  return status.details.flatMap((detail) => {
    try {
      return anyUnpack(detail, schema) ?? [];
    } catch {
      return [];
    }
  });
}
