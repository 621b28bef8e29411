import { expect, test } from "vitest";
import { AudioChunk, type Encoding, wav } from "../../src/index.js";

function chunk(encoding: Encoding, audio: Uint8Array, sampleCount: number): AudioChunk {
  return new AudioChunk({
    audio,
    firstSample: 0,
    sampleCount,
    sampleRate: 24000,
    encoding,
    textStart: 0,
    textEnd: 5,
    words: [],
  });
}

test("samples decodes pcm16 that starts at an odd byte", () => {
  const bytes = Uint8Array.of(9, 0, 0, 0xff, 0x7f, 0, 0x80).subarray(1);
  expect([...chunk("pcm16", bytes, 3).samples()]).toEqual([0, 32767 / 32768, -1]);
});

test("samples decodes float32", () => {
  const bytes = new Uint8Array(new Float32Array([0.5, -1.25]).buffer);
  expect([...chunk("float32", bytes, 2).samples()]).toEqual([0.5, -1.25]);
});

test("samples decodes G.711", () => {
  const mulaw = chunk("mulaw", Uint8Array.of(0xff, 0x7f, 0x80, 0x00), 4).samples();
  expect([...mulaw]).toEqual([0, -0, 8031 / 8192, -8031 / 8192]);
  const alaw = chunk("alaw", Uint8Array.of(0xd5, 0x55, 0xaa, 0x2a), 4).samples();
  expect([...alaw]).toEqual([1 / 4096, -1 / 4096, 4032 / 4096, -4032 / 4096]);
});

test("samples refuses a part of a file", () => {
  expect(() => chunk("mp3", Uint8Array.of(1), 1).samples()).toThrow(TypeError);
});

test("wav corrects the sizes of the header", () => {
  const file = new Uint8Array(48);
  file.fill(0xff, 4, 8).fill(0xff, 40, 44);
  const view = new DataView(wav(chunk("wav", file, 2)).buffer);
  expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([40, 4]);
});

test("durationSeconds follows the sample rate", () => {
  expect(chunk("pcm16", new Uint8Array(24000), 12000).durationSeconds).toBe(0.5);
});
