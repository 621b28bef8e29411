import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { DeliveryMode } from "../../src/gen/barkserve/v1/common_pb.js";
import { AudioEncoding, SynthesizeRequestSchema } from "../../src/gen/barkserve/v1/speech_pb.js";
import { InvalidRequest } from "../../src/index.js";
import { buildRequest, type SpeechOptions } from "../../src/options.js";

describe("buildRequest", () => {
  test("sends every option", () => {
    const request = buildRequest("Hello", {
      voice: "v2/slt",
      seed: 2n ** 63n - 1n,
      greedy: true,
      delivery: "exact",
      encoding: "ogg_opus",
      sampleRate: 16000,
      firstChunkMs: 0,
      chunkMs: 100,
      gainDb: -6,
      speakingRate: 1.5,
      limitPeaks: true,
      language: "en",
      wordTimes: true,
      tail: { maxSecondsPerCharacter: 0, maxSilenceSeconds: 1, maxRedraws: 2 },
      requestId: "mine",
      returnVoice: true,
      keepVoice: true,
      semantic: { temperature: 0.5, minEosP: 0.25, maxTokens: 100 },
      coarse: { topK: 50, topP: 0.5 },
      fine: { greedy: true, lookaheadFrames: 8 },
    });
    const sent = fromBinary(SynthesizeRequestSchema, toBinary(SynthesizeRequestSchema, request));
    expect(sent).toMatchObject({
      text: "Hello",
      voice: { voice: { case: "name", value: "v2/slt" } },
      seed: 2n ** 63n - 1n,
      greedy: true,
      deliveryMode: DeliveryMode.EXACT,
      audioFormat: {
        encoding: AudioEncoding.OGG_OPUS,
        sampleRateHertz: 16000,
        firstChunkMs: 0,
        chunkMs: 100,
        gainDb: -6,
        limitPeaks: true,
      },
      languageCode: "en",
      speakingRate: 1.5,
      wordTimes: true,
      tail: { maxSecondsPerCharacter: 0, maxSilenceSeconds: 1, maxRedraws: 2 },
      requestId: "mine",
      returnVoice: true,
      keepVoice: true,
      semantic: { sampling: { temperature: 0.5 }, minEosP: 0.25, maxTokens: 100 },
      coarse: { sampling: { topK: 50, topP: 0.5 } },
      fine: { sampling: { greedy: true }, lookaheadFrames: 8 },
    });
  });

  test("leaves absent options to the server", () => {
    const request = buildRequest("Hello", {});
    expect(request.seed).toBeUndefined();
    expect(request.voice).toBeUndefined();
    expect(request.audioFormat?.chunkMs).toBeUndefined();
    expect(request.semantic?.sampling?.temperature).toBeUndefined();
  });

  test.each<[string, SpeechOptions]>([
    ["encoding", { encoding: "wma" as "wav" }],
    ["delivery", { delivery: "slow" as "exact" }],
    ["voice.coarsePrompt", { voice: { semanticPrompt: [1], coarsePrompt: [[1]], finePrompt: [] } }],
  ])("names the wrong field %s", (field, options) => {
    expect(() => buildRequest("Hello", options)).toThrow(
      expect.objectContaining({ violations: [expect.objectContaining({ field })] }),
    );
  });

  test.each<SpeechOptions>([
    { seed: 2n ** 64n },
    { seed: 1.5 },
    { sampleRate: 1e12 },
    { gainDb: "loud" as unknown as number },
  ])("rejects a value that its field cannot hold: %o", (options) => {
    expect(() => buildRequest("Hello", options)).toThrow(InvalidRequest);
  });

  test("orders codes frame by frame", () => {
    const fine = Array.from({ length: 8 }, (_, row) => [10 * row, 10 * row + 1]);
    const request = buildRequest("Hello", {
      voice: { semanticPrompt: [1, 2], coarsePrompt: fine.slice(0, 2), finePrompt: fine },
    });
    expect(request.voice?.voice.value).toMatchObject({
      semanticPrompt: [1, 2],
      coarsePrompt: [0, 10, 1, 11],
      finePrompt: [0, 10, 20, 30, 40, 50, 60, 70, 1, 11, 21, 31, 41, 51, 61, 71],
    });
  });
});
