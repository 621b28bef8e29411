// Draws a spectrogram as it grows: time from left to right, 0 to 8 kHz from bottom to top.

const SIZE = 512;
const HOP = 256;
const TOP_HERTZ = 8000;
const RANGE_DB = 60;
const COLORS = [[11, 7, 36], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]; // from quiet to loud

export class Spectrogram {
  constructor(canvas, sampleRate) {
    this.canvas = canvas;
    this.bins = Math.floor((TOP_HERTZ / sampleRate) * SIZE);
    this.window = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
    this.rest = new Float32Array(0);
    this.columns = [];
  }

  push(samples) {
    const all = new Float32Array(this.rest.length + samples.length);
    all.set(this.rest);
    all.set(samples, this.rest.length);
    let at = 0;
    for (; at + SIZE <= all.length; at += HOP) this.columns.push(this.column(all.subarray(at, at + SIZE)));
    this.rest = all.slice(at);
    this.draw();
  }

  column(samples) {
    const re = samples.map((sample, i) => sample * this.window[i]);
    const im = new Float32Array(SIZE);
    transform(re, im);
    return Uint8Array.from({ length: this.bins }, (_, i) => {
      const db = 10 * Math.log10(re[i] ** 2 + im[i] ** 2 + 1e-9) - 30;
      return 255 * Math.min(1, Math.max(0, 1 + db / RANGE_DB));
    });
  }

  draw() {
    const { canvas, columns, bins } = this;
    if (!columns.length) return;
    const width = (canvas.width = canvas.clientWidth);
    const height = canvas.height;
    const image = new ImageData(width, height);
    for (let x = 0; x < width; x++) {
      const column = columns[Math.floor((x * columns.length) / width)];
      for (let y = 0; y < height; y++) {
        image.data.set(color(column[Math.floor(((height - 1 - y) * bins) / height)]), 4 * (y * width + x));
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
}

/** The red, green, blue and opacity of a level from 0 to 255. */
function color(level) {
  const at = (level / 255) * (COLORS.length - 1);
  const below = Math.min(Math.floor(at), COLORS.length - 2);
  return [...COLORS[below].map((from, i) => from + (COLORS[below + 1][i] - from) * (at - below)), 255];
}

/** The fast Fourier transform in place (Cooley and Tukey, radix 2). */
function transform(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j], re[i]];
  }
  for (let length = 2; length <= n; length *= 2) {
    const angle = (-2 * Math.PI) / length;
    for (let start = 0; start < n; start += length) {
      for (let k = 0; k < length / 2; k++) {
        const [a, b] = [start + k, start + k + length / 2];
        const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        [re[a], im[a]] = [re[a] + x, im[a] + y];
      }
    }
  }
}
