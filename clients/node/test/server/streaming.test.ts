import { afterAll, expect, test } from "vitest";
import { InvalidRequest } from "../../src/index.js";
import { connect } from "./server.js";

const FIRST = "Hello there. ";
const SECOND = "How are you?";
const client = connect();

afterAll(() => client.close());

async function* typing(...parts: (string | Uint8Array)[]) {
  for (const part of parts) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield part;
  }
}

async function whole(text: string): Promise<Uint8Array> {
  return client.synthesize(text, { seed: 7 }).bytes();
}

test("a text in pieces gives the bytes of the whole text", async () => {
  const bytes = Buffer.from(SECOND);
  const pieces = typing("Hello th", "ere. ", bytes.subarray(0, 5), bytes.subarray(5));
  const speech = client.synthesizeStream(pieces, { seed: 7, maxDelayMs: 60_000 });
  expect(Buffer.compare(await speech.bytes(), await whole(FIRST + SECOND))).toBe(0);
});

test("a text of an array gives the bytes of the whole text", async () => {
  const speech = client.synthesizeStream([FIRST, SECOND], { seed: 7, maxDelayMs: 60_000 });
  expect(Buffer.compare(await speech.bytes(), await whole(FIRST + SECOND))).toBe(0);
});

test("what the text throws reaches the reader", async () => {
  async function* failing() {
    yield FIRST;
    throw new RangeError("the chatbot failed");
  }
  await expect(client.synthesizeStream(failing()).read()).rejects.toThrow(RangeError);
});

test("leaving the loop ends the text", async () => {
  let ended = false;
  async function* endless() {
    try {
      for (;;) {
        yield FIRST;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      ended = true;
    }
  }
  for await (const _ of client.synthesizeStream(endless())) break;
  await expect.poll(() => ended).toBe(true);
});

test("contexts of one call are independent", async () => {
  await using stream = client.stream();
  const first = stream.speak({ seed: 7, wordTimes: true, maxDelayMs: 60_000 });
  const second = stream.speak({ seed: 7, maxDelayMs: 60_000 });
  const wrong = stream.speak({ voice: "v2/ghost" });
  first.write(FIRST + SECOND);
  second.write(SECOND);
  wrong.write(SECOND);
  for (const context of [first, second, wrong]) context.end();
  const [one, two, failure] = await Promise.all([
    first.bytes(),
    second.bytes(),
    wrong.read().catch((error: unknown) => error),
  ]);
  expect(Buffer.compare(one, await whole(FIRST + SECOND))).toBe(0);
  expect(Buffer.compare(two, await whole(SECOND))).toBe(0);
  expect(failure).toMatchObject({ name: "VoiceNotFound" });
  expect(first.words.map(({ word }) => word)).toEqual(["Hello", "there", "How", "are", "you"]);
});

test("flush speaks the text so far, and cancel drops the rest", async () => {
  await using stream = client.stream();
  const context = stream.speak({ seed: 7 });
  context.write("Hello there, my");
  const flushId = context.flush();
  await context.waitFlushed(flushId);
  expect(context.flushed).toEqual([flushId]);
  const chunk = await context.next();
  expect(chunk.value?.firstSample).toBe(0);
  context.write(FIRST.repeat(100));
  context.cancel();
  expect(await context.next()).toEqual({ done: true, value: undefined });
  expect(context.finished.finishReason).toBe("cancelled");
});

test("a signal cancels one context and no other", async () => {
  await using stream = client.stream();
  const abort = new AbortController();
  const aborted = stream.speak({ signal: abort.signal });
  const kept = stream.speak({ seed: 7 });
  aborted.write(FIRST);
  kept.write(SECOND);
  kept.end();
  const waiting = aborted.read();
  abort.abort();
  await expect(waiting).rejects.toThrow(abort.signal.reason);
  expect(Buffer.compare(await kept.bytes(), await whole(SECOND))).toBe(0);
});

test("a wrong option is rejected when the context is opened", async () => {
  await using stream = client.stream();
  expect(() => stream.speak({ encoding: "wma" as "wav" })).toThrow(InvalidRequest);
  expect(() => stream.speak({ maxDelayMs: 1e12 })).toThrow(InvalidRequest);
});
