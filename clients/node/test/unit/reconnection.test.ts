import { Metadata, type ServiceError, status as StatusCode } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { Overloaded, ServerError, ServerUnavailable } from "../../src/index.js";
import { ServerSilent } from "../../src/internal/call.js";
import { Reconnection } from "../../src/internal/reconnection.js";

function cut(code = StatusCode.UNAVAILABLE, fromServer = false): ServerUnavailable {
  const metadata = new Metadata();
  if (fromServer) metadata.set("grpc-status-details-bin", Buffer.alloc(0));
  const cause: ServiceError = Object.assign(new Error("cut"), { code, details: "cut", metadata });
  return new ServerUnavailable("cut", { cause });
}

function connected(limitMs = 30_000, timeoutMs?: number): Reconnection {
  const reconnection = new Reconnection(limitMs, timeoutMs);
  reconnection.arrived("started", 100);
  reconnection.arrived("audio", 0);
  return reconnection;
}

test("delays double up to a second while the server is away", () => {
  const reconnection = connected();
  const delays = Array.from({ length: 6 }, () => reconnection.delayMs(cut()));
  expect(delays).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test("a call is given up after four answered calls without anything new", () => {
  const reconnection = connected();
  for (let call = 0; call < 3; call += 1) {
    expect(reconnection.delayMs(cut())).toBeDefined();
    reconnection.arrived("started", 100);
  }
  expect(reconnection.delayMs(cut())).toBeUndefined();
});

test.each([
  ["never answered", new Reconnection(30_000, undefined), cut()],
  ["switched off", connected(0), cut()],
  ["at its timeout", connected(30_000, 0), cut()],
  ["refused by the server", connected(), cut(StatusCode.UNAVAILABLE, true)],
  ["failed on the server", connected(), new ServerError("failed")],
  ["overloaded before a cut", connected(), new Overloaded("full", 50)],
])("a call is not repeated if %s", (_, reconnection, error) => {
  expect(reconnection.delayMs(error)).toBeUndefined();
});

test("after a cut, an overloaded replica is asked again when it says", () => {
  const reconnection = connected();
  reconnection.delayMs(cut());
  expect(reconnection.delayMs(new Overloaded("full", 50))).toBe(50);
});

test("silence for more than two heartbeats counts as a cut", () => {
  const reconnection = connected();
  expect(reconnection.silenceMs).toBe(1200);
  expect(reconnection.delayMs(new ServerSilent("host:1", 1200))).toBe(100);
});
