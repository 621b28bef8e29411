/** Decoders of ITU-T G.711: one byte of mu-law or A-law per sample. */

const MULAW_BIAS = 33;
const MULAW_SCALE = 8192; // 14 bits and the sign
const ALAW_SCALE = 4096; // 13 bits and the sign

/** Decodes mu-law to samples in [-1, 1]. */
export function decodeMulaw(audio: Uint8Array): Float32Array {
  return Float32Array.from(audio, (byte) => {
    const code = ~byte & 0xff;
    const magnitude = ((2 * (code & 15) + MULAW_BIAS) << ((code >> 4) & 7)) - MULAW_BIAS;
    return (code & 128 ? -magnitude : magnitude) / MULAW_SCALE;
  });
}

/** Decodes A-law to samples in [-1, 1]. */
export function decodeAlaw(audio: Uint8Array): Float32Array {
  return Float32Array.from(audio, (byte) => {
    const code = byte ^ 0x55;
    const exponent = (code >> 4) & 7;
    const base = 2 * (code & 15) + 1;
    const magnitude = exponent === 0 ? base : (base + 32) << (exponent - 1);
    return (code & 128 ? magnitude : -magnitude) / ALAW_SCALE;
  });
}
