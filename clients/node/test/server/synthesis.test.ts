import { afterAll, describe, expect, test } from "vitest";
import {
  Cancelled,
  DeadlineExceeded,
  InvalidRequest,
  Overloaded,
  PermissionDenied,
  ServerUnavailable,
  type Speech,
  Unauthenticated,
  VoiceNotFound,
} from "../../src/index.js";
import { connect, python, SOLO_TOKEN } from "./server.js";

const TEXT = "Hello there. How are you?";
const LONG = "Hello there. How are you today? ".repeat(200);
const client = connect();

afterAll(() => client.close());

const solo = connect({ token: SOLO_TOKEN });
afterAll(() => solo.close());

/** Starts a speech of a caller that may have one, as soon as the one before has ended. */
async function speakAlone(text: string, signal?: AbortSignal): Promise<Speech> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const speech = solo.synthesize(text, { signal });
    try {
      await speech.next();
      return speech;
    } catch (error) {
      if (!(error instanceof Overloaded)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error("the stream was not freed");
}

async function streamIsFreed(): Promise<void> {
  (await speakAlone("Hi.")).close();
}

describe("synthesize", () => {
  test.each([
    ["pcm16", ["--format=pcm"]],
    ["flac", ["--format=flac"]],
  ] as const)("gives the bytes of the Python client in %s", async (encoding, words) => {
    const speech = client.synthesize(TEXT, { seed: 7, voice: "none", encoding });
    const expected = await python("say", TEXT, "--seed=7", "--voice=none", ...words, "-q", "-o-");
    expect(Buffer.compare(await speech.bytes(), expected)).toBe(0);
    expect(expected.length).toBeGreaterThan(1000);
    expect(speech.started).toMatchObject({ seed: 7n, voice: "none", encoding, sampleRate: 24000 });
    expect(speech.finished.finishReason).toMatch(/stop|length|silence/);
    expect(speech.finished.stages.map((stage) => stage.stage)).toEqual([
      "semantic",
      "coarse",
      "fine",
      "codec",
    ]);
  });

  test("yields chunks in order, and the words that they speak", async () => {
    const speech = client.synthesize(TEXT, { seed: 7, wordTimes: true });
    let sampleCount = 0;
    for await (const chunk of speech) {
      expect(chunk.firstSample).toBe(sampleCount);
      expect(chunk.samples().length).toBe(chunk.sampleCount);
      sampleCount += chunk.sampleCount;
    }
    expect(speech.finished.sampleCount).toBe(sampleCount);
    expect(speech.words.map(({ word }) => word)).toEqual(["Hello", "there", "How", "are", "you"]);
    expect(TEXT.slice(speech.words[1]?.textStart, speech.words[1]?.textEnd)).toBe("there");
  });

  test("returns a voice that continues the speech", async () => {
    const speech = client.synthesize("Hi.", { returnVoice: true });
    await speech.read();
    const voice = speech.finished.voice;
    expect(voice?.coarsePrompt.length).toBe(2);
    const next = client.synthesize("Hi.", { voice });
    await next.next();
    expect(next.started.voice).toBe("inline");
    next.close();
  });

  test("a signal ends the speech and frees the stream", async () => {
    const abort = new AbortController();
    const speech = await speakAlone(LONG, abort.signal);
    await expect(solo.synthesize("Hi.").next()).rejects.toThrow(Overloaded);
    const waiting = speech.read();
    abort.abort();
    await expect(waiting).rejects.toThrow(abort.signal.reason);
    await streamIsFreed();
  });

  test("leaving the loop frees the stream", async () => {
    for await (const chunk of await speakAlone(LONG)) {
      expect(chunk.sampleCount).toBeGreaterThan(0);
      break;
    }
    await streamIsFreed();
  });

  test("close frees the stream, and a waiting reader gets Cancelled", async () => {
    const speech = await speakAlone(LONG);
    const waiting = speech.read();
    speech.close();
    await expect(waiting).rejects.toThrow(Cancelled);
    await streamIsFreed();
  });

  test("a signal that has aborted sends nothing", () => {
    const signal = AbortSignal.abort(new Error("too late"));
    expect(() => client.synthesize(TEXT, { signal })).toThrow("too late");
  });
});

describe("errors", () => {
  test("a wrong voice is VoiceNotFound", async () => {
    await expect(client.synthesize(TEXT, { voice: "v2/ghost" }).read()).rejects.toThrow(
      VoiceNotFound,
    );
    await expect(client.getVoice("v2/ghost")).rejects.toThrow(/v2\/ghost/);
  });

  test("a text above the limit is InvalidRequest and names the field", async () => {
    const { limits } = await client.serverInfo();
    const text = "a".repeat(limits.maxTextCharacters + 1);
    const failure = await client
      .synthesize(text)
      .read()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidRequest);
    expect((failure as InvalidRequest).violations[0]?.field).toBe("text");
  });

  test("a missing or wrong token is Unauthenticated", async () => {
    for (const token of [undefined, "wrong"]) {
      const stranger = connect({ token });
      await expect(stranger.synthesize(TEXT).read()).rejects.toThrow(Unauthenticated);
      stranger.close();
    }
  });

  test("a missing role is PermissionDenied", async () => {
    await expect(solo.createVoice("mine", "none")).rejects.toThrow(PermissionDenied);
  });

  test("a function may return the token, and its failure is reported", async () => {
    const asked = connect({ token: async () => SOLO_TOKEN });
    expect((await asked.listVoices()).length).toBeGreaterThan(0);
    asked.close();
    const failing = connect({
      token: () => {
        throw new Error("no key");
      },
    });
    await expect(failing.listVoices()).rejects.toThrow(/no key/);
    await expect(failing.synthesize(TEXT).read()).rejects.toThrow(Unauthenticated);
    failing.close();
  });

  test("a server that is away is ServerUnavailable", async () => {
    const { BarkClient } = await import("../../src/index.js");
    const away = new BarkClient("127.0.0.1:1");
    await expect(away.synthesize(TEXT).read()).rejects.toThrow(ServerUnavailable);
    await expect(away.serverInfo()).rejects.toThrow(/nothing answers at 127\.0\.0\.1:1/);
    away.close();
  });

  test("a call beyond its timeout is DeadlineExceeded", async () => {
    await expect(client.synthesize(LONG, { timeoutMs: 500 }).read()).rejects.toThrow(
      DeadlineExceeded,
    );
  });

  test("a closed client cancels its calls and starts no more", async () => {
    const closing = connect();
    const waiting = closing.synthesize(LONG).read();
    closing.close();
    await expect(waiting).rejects.toThrow(Cancelled);
    expect(() => closing.synthesize(TEXT)).toThrow(Cancelled);
  });
});

describe("voices and server", () => {
  test("serverInfo describes the server", async () => {
    const info = await client.serverInfo();
    expect(info.encodings).toContain("mp3");
    expect(info.sampleRate).toBe(24000);
    expect(info.limits.maxStreams).toBeGreaterThan(0);
  });

  test("listVoices names the default voice", async () => {
    const voices = await client.listVoices();
    const { defaultVoice } = await client.serverInfo();
    expect(voices.filter((voice) => voice.isDefault).map(({ name }) => name)).toEqual([
      defaultVoice,
    ]);
  });

  test("a voice is created from tokens, used and deleted", async () => {
    const [first] = await client.listVoices();
    const tokens = await client.getVoiceTokens(first?.name ?? "");
    const created = await client.createVoice("node/mine", tokens, { description: "Mine" });
    expect(created).toMatchObject({ name: "node/mine", stored: true, description: "Mine" });
    const speech = client.synthesize("Hi.", { voice: created });
    await speech.next();
    expect(speech.started.voice).toBe("node/mine");
    speech.close();
    await client.deleteVoice("node/mine");
    await expect(client.getVoice("node/mine")).rejects.toThrow(VoiceNotFound);
  });
});
