// Draws the waveform as it grows. The whole canvas is the speech so far.

const COLUMN_SAMPLES = 240; // 10 ms at 24 kHz

export class Waveform {
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = [];
    this.rest = [];
    this.played = 0;
  }

  push(samples) {
    let peak = this.peak ?? 0;
    let count = this.count ?? 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      if (++count === COLUMN_SAMPLES) {
        this.peaks.push(peak);
        peak = count = 0;
      }
    }
    Object.assign(this, { peak, count });
    this.draw();
  }

  /** @param {number} samples played so far */
  progress(samples) {
    this.played = samples;
    this.draw();
  }

  draw() {
    const { canvas, peaks } = this;
    const width = (canvas.width = canvas.clientWidth);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const middle = canvas.height / 2;
    for (let x = 0; x < width; x++) {
      const from = Math.floor((x * peaks.length) / width);
      const to = Math.max(from + 1, Math.floor(((x + 1) * peaks.length) / width));
      const peak = Math.max(0, ...peaks.slice(from, to));
      const isPlayed = from * COLUMN_SAMPLES < this.played;
      pen.fillStyle = style.getPropertyValue(isPlayed ? "--accent" : "--muted");
      pen.fillRect(x, middle - peak * middle, 1, Math.max(1, 2 * peak * middle));
    }
  }
}
