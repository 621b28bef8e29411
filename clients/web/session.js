// One speech over the gateway's WebSocket. The messages are those of StreamingSynthesize in JSON.

const CONTEXT = "page";
const TYPING_MS = 120;
const PROTOCOL = "barkserve.v1";

export class Session {
  /**
   * @param {string} token of the caller; empty for none
   * @param {object} options of the synthesis, with the names of speech.proto
   * @param {{onStarted, onAudio, onWords, onFinished, onError}} listeners
   */
  constructor(token, options, listeners) {
    this.listeners = listeners;
    this.header = null; // of the audio that the next binary message holds
    this.over = false;
    const url = new URL("v1/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.socket = new WebSocket(url, token ? [PROTOCOL, bearer(token)] : [PROTOCOL]);
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve) => { this.socket.onopen = resolve; });
    this.socket.onmessage = ({ data }) => this.receive(data);
    this.socket.onclose = ({ reason }) => this.fail(reason || "The connection to the server was lost.");
    this.opened.then(() => this.send({ config: { options } }));
  }

  /** Send the whole text, or one word after another. */
  async speak(text, wordByWord) {
    await this.opened;
    for (const part of wordByWord ? text.match(/\s*\S+\s*/g) ?? [] : [text]) {
      if (this.over) return;
      this.send({ text: part });
      if (wordByWord) await new Promise((resolve) => setTimeout(resolve, TYPING_MS));
    }
    this.send({ end: {} });
  }

  /** Cancel on the server. What was not played is dropped. */
  stop() {
    this.over = true;
    this.socket.close();
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ context_id: CONTEXT, ...message }));
    }
  }

  receive(data) {
    if (data instanceof ArrayBuffer) {
      this.listeners.onAudio(data, this.header);
      return;
    }
    const message = JSON.parse(data);
    if (message.started) this.listeners.onStarted(message.started);
    if (message.audio) this.header = message.audio;
    if (message.words) this.listeners.onWords(message.words.words);
    if (message.finished) {
      this.over = true;
      this.listeners.onFinished(message.finished);
      this.socket.close();
    }
    if (message.error) this.fail(message.error.message);
  }

  fail(reason) {
    if (this.over) return;
    this.over = true;
    this.listeners.onError(reason);
    this.socket.close();
  }
}

/** Browsers cannot set headers of a WebSocket, so the token travels as the name of a subprotocol. */
function bearer(token) {
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(token)));
  return `bearer.${base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}
