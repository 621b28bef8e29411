import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { status as StatusCode } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { fromStatus } from "../../src/errors.js";
import {
  BadRequestSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from "../../src/gen/google/rpc/error_details_pb.js";
import * as barkclient from "../../src/index.js";

function detail<Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>) {
  return anyPack(schema, create(schema, init));
}

function failure(code: number, message = "why", details: ReturnType<typeof detail>[] = []) {
  return fromStatus({ code, message, details }, "host:1");
}

test.each([
  [StatusCode.INVALID_ARGUMENT, barkclient.InvalidRequest],
  [StatusCode.RESOURCE_EXHAUSTED, barkclient.Overloaded],
  [StatusCode.UNAUTHENTICATED, barkclient.Unauthenticated],
  [StatusCode.PERMISSION_DENIED, barkclient.PermissionDenied],
  [StatusCode.NOT_FOUND, barkclient.VoiceNotFound],
  [StatusCode.ALREADY_EXISTS, barkclient.VoiceExists],
  [StatusCode.FAILED_PRECONDITION, barkclient.PreconditionFailed],
  [StatusCode.UNAVAILABLE, barkclient.ServerUnavailable],
  [StatusCode.ABORTED, barkclient.SessionExpired],
  [StatusCode.DEADLINE_EXCEEDED, barkclient.DeadlineExceeded],
  [StatusCode.CANCELLED, barkclient.Cancelled],
  [StatusCode.UNIMPLEMENTED, barkclient.ServerError],
  [StatusCode.INTERNAL, barkclient.ServerError],
  [99, barkclient.ServerError],
])("status %i has its own error", (code, kind) => {
  const error = failure(code);
  expect(error.constructor).toBe(kind);
  expect(error.name).toBe(kind.name);
  expect(error).toBeInstanceOf(barkclient.BarkClientError);
});

test("InvalidRequest names the fields", () => {
  const violation = { field: "voice.name", description: "unknown" };
  const details = [detail(BadRequestSchema, { fieldViolations: [violation] })];
  expect(failure(StatusCode.INVALID_ARGUMENT, "why", details)).toMatchObject({
    violations: [violation],
  });
});

test("Overloaded says when to retry", () => {
  const delay = { seconds: 1n, nanos: 500_000_000 };
  const error = failure(StatusCode.RESOURCE_EXHAUSTED, "full", [
    detail(RetryInfoSchema, { retryDelay: delay }),
  ]);
  expect(error).toMatchObject({ retryAfterMs: 1500, message: "full (try again in 1.5 s)" });
  expect(error).toBeInstanceOf(barkclient.RetryableError);
});

test("a quota failure is a full voice store", () => {
  const details = [detail(QuotaFailureSchema, {})];
  expect(failure(StatusCode.RESOURCE_EXHAUSTED, "full", details).name).toBe("VoiceStoreFull");
});

test("a failure to resume has its own error", () => {
  const details = [detail(PreconditionFailureSchema, { violations: [{ type: "RESUME" }] })];
  const error = failure(StatusCode.FAILED_PRECONDITION, "other voice", details);
  expect(error).toBeInstanceOf(barkclient.CannotResume);
  expect(error).toBeInstanceOf(barkclient.PreconditionFailed);
});

test("details that cannot be parsed are ignored", () => {
  const broken = { ...detail(BadRequestSchema, {}), value: Uint8Array.of(255) };
  expect(failure(StatusCode.INVALID_ARGUMENT, "why", [broken])).toMatchObject({ violations: [] });
});
