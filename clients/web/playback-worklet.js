// Plays the samples it is sent, without gaps between messages. Runs in the audio thread.

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.queue = [];      // Float32Arrays
    this.offset = 0;      // samples of queue[0] that were played
    this.played = 0;
    this.ended = false;   // no more samples will be sent
    this.starved = false; // playback has begun and waits for samples
    this.port.onmessage = ({ data }) => {
      if (data.samples) this.queue.push(data.samples);
      if (data.end) this.ended = true;
    };
  }

  process(_inputs, [[output]]) {
    let written = 0;
    while (written < output.length && this.queue.length) {
      const head = this.queue[0];
      const part = head.subarray(this.offset, this.offset + output.length - written);
      output.set(part, written);
      written += part.length;
      this.offset += part.length;
      if (this.offset === head.length) {
        this.queue.shift();
        this.offset = 0;
      }
    }
    this.played += written;
    if (written) this.port.postMessage({ played: this.played });
    return this.report(written < output.length);
  }

  report(isShort) {
    if (isShort && this.ended) {
      this.port.postMessage({ done: true });
      return false;
    }
    const starved = isShort && this.played > 0;
    if (starved && !this.starved) this.port.postMessage({ underrun: true });
    this.starved = starved;
    return true;
  }
}

registerProcessor("playback", Playback);
