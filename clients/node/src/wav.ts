/** WAV headers. */

import type { AudioChunk } from "./responses.js";

const HEADER_BYTES = 44;
const RIFF_SIZE_AT = 4;
const DATA_SIZE_AT = 40;
const UNKNOWN_SIZE = 0xffff_ffff;

/** A size field of a WAV file: where it is, and its 4 bytes. */
export interface SizeField {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * Returns the sizes to write into a file of the encoding "wav". While streaming, the server cannot
 * know them and sends 0xFFFFFFFF, which players read as "until the end".
 *
 * @param fileBytes - number of bytes of the whole file.
 */
export function wavSizes(fileBytes: number): SizeField[] {
  return [
    sizeField(RIFF_SIZE_AT, fileBytes - 8),
    sizeField(DATA_SIZE_AT, fileBytes - HEADER_BYTES),
  ];
}

/**
 * Returns a WAV file of 16-bit samples with correct sizes.
 *
 * @param chunk - audio of the encoding "wav", read as a whole.
 */
export function wav(chunk: AudioChunk): Uint8Array {
  if (chunk.encoding !== "wav" || chunk.firstSample !== 0)
    throw new TypeError("this is not a whole speech in wav: ask for the encoding wav, then read()");
  const file = Uint8Array.from(chunk.audio);
  for (const { position, bytes } of wavSizes(file.length)) file.set(bytes, position);
  return file;
}

function sizeField(position: number, size: number): SizeField {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Math.min(size, UNKNOWN_SIZE), true);
  return { position, bytes };
}
