import { expect, test } from "vitest";
import { BarkClient, InvalidRequest } from "../../src/index.js";
import { channelTarget, isLoopback } from "../../src/internal/channel.js";

test.each([
  ["localhost:50051", "localhost:50051"],
  ["[::1]:50051", "[::1]:50051"],
  ["dns:speech.example.org:443", "dns:speech.example.org:443"],
  [["one.example.org:1"], "one.example.org:1"],
  [["10.0.0.1:1", "10.0.0.2:2"], "ipv4:10.0.0.1:1,10.0.0.2:2"],
  [["localhost:1", "127.0.0.1:2"], "ipv4:127.0.0.1:1,127.0.0.1:2"],
  [["[::1]:1", "[fd00::2]:2"], "ipv6:[::1]:1,[fd00::2]:2"],
])("channelTarget accepts %s", (address, target) => {
  expect(channelTarget(address)).toBe(target);
});

test.each([
  ["localhost"],
  ["localhost:0"],
  ["localhost:65536"],
  ["http://localhost:8080"],
  [""],
  [[]],
  [["one.example.org:1", "two.example.org:1"]],
  [["10.0.0.1:1", "[::1]:2"]],
])("channelTarget rejects %s", (address) => {
  expect(() => channelTarget(address)).toThrow(InvalidRequest);
});

test.each([
  ["localhost:1", true],
  ["127.0.0.2:1", true],
  ["[::1]:1", true],
  ["unix:/run/bark", true],
  ["ipv4:127.0.0.1:1,127.0.0.1:2", true],
  ["ipv4:127.0.0.1:1,10.0.0.1:2", false],
  ["dns:///127.0.0.1:1", true],
  ["speech.example.org:1", false],
  ["127.example.org:1", false],
])("isLoopback of %s is %s", (target, expected) => {
  expect(isLoopback(target)).toBe(expected);
});

test("a token is not sent in plaintext to another machine", () => {
  const open = (options: object) => new BarkClient("example.org:1", { token: "t", ...options });
  expect(() => open({})).toThrow(InvalidRequest);
  open({ tls: true }).close();
  open({ insecure: true }).close();
});

test("a token with characters that cannot be sent is not repeated in the error", () => {
  expect(() => new BarkClient("localhost:1", { token: "sec ret" })).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("sec ret") }),
  );
});

test("a certificate without its key is rejected", () => {
  const pem = "-----BEGIN CERTIFICATE-----";
  expect(() => new BarkClient("localhost:1", { tls: { certificate: pem } })).toThrow(
    InvalidRequest,
  );
  expect(() => new BarkClient("localhost:1", { tls: { ca: "ca.pem" } })).toThrow(/tls\.ca/);
});
