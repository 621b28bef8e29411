// Plays PCM while it arrives.

export class Player {
  /**
   * @param {AudioContext} context with the sample rate of the speech
   * @param {{onPlayed: (samples: number) => void, onUnderrun: () => void, onDone: () => void}} listeners
   */
  static async create(context, listeners) {
    await context.audioWorklet.addModule("playback-worklet.js");
    return new Player(context, listeners);
  }

  constructor(context, listeners) {
    this.context = context;
    this.node = new AudioWorkletNode(context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => {
      if (data.played) listeners.onPlayed(data.played);
      if (data.underrun) listeners.onUnderrun();
      if (data.done) listeners.onDone();
    };
    this.node.connect(context.destination);
  }

  /** @param {Float32Array} samples */
  push(samples) {
    this.node.port.postMessage({ samples });
  }

  /** Say that no more samples follow. */
  end() {
    this.node.port.postMessage({ end: true });
  }

  async close() {
    this.node.disconnect();
    await this.context.close();
  }
}
