/** The requests of a text that is still being written, for one call after another. */

import { create } from "@bufbuild/protobuf";
import {
  type Resume,
  type StreamingConfig,
  type StreamingSynthesizeRequest,
  StreamingSynthesizeRequestSchema,
  type StreamingSynthesizeResponse,
} from "../gen/barkserve/v1/speech_pb.js";
import { resumedConfig } from "../options.js";
import type { DuplexCall } from "./call.js";

type Request = StreamingSynthesizeRequest;
type StreamingCall = DuplexCall<Request, StreamingSynthesizeResponse>;

/** Parts of a text, cut anywhere. Bytes are UTF-8. */
export type Texts = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/** Returns the request that sends text. */
export function textRequest(contextId: string, text: string | Uint8Array): Request {
  return create(StreamingSynthesizeRequestSchema, {
    contextId,
    request:
      typeof text === "string"
        ? { case: "text", value: text }
        : { case: "utf8", value: Uint8Array.from(text) },
  });
}

/** Reads a text as the calls ask for it, and keeps what it has read for the next call. */
export class TextSource {
  /** What ended the text too early. gRPC would only report a cancelled call. */
  failure: { readonly reason: unknown } | undefined;
  readonly #config: StreamingConfig;
  readonly #texts: AsyncIterator<string | Uint8Array> | Iterator<string | Uint8Array>;
  readonly #read: Request[] = [];
  #ended = false;
  #reading: Promise<void> | undefined;

  constructor(config: StreamingConfig, texts: Texts) {
    this.#config = config;
    this.#texts =
      Symbol.asyncIterator in texts ? texts[Symbol.asyncIterator]() : texts[Symbol.iterator]();
  }

  /** Sends the text to one call. A text that fails cancels the call. */
  async send(call: StreamingCall, resume: Resume | undefined): Promise<void> {
    const config = resumedConfig(this.#config, resume);
    call.write(
      create(StreamingSynthesizeRequestSchema, { request: { case: "config", value: config } }),
    );
    for (let position = 0; !call.over; ) {
      const request = this.#read[position];
      if (request !== undefined) {
        position += 1;
        if (!call.write(request)) await call.drained();
      } else if (this.#ended) {
        call.end();
        return;
      } else {
        this.#reading ??= this.#readNext(); // shared with the call before, which was cut
        await this.#reading;
        if (this.failure !== undefined) {
          call.cancel();
          return;
        }
      }
    }
  }

  /** Stops reading: no further call needs the text. */
  close(): void {
    if (this.#ended || this.failure !== undefined) return;
    this.#ended = true;
    void Promise.resolve(this.#texts.return?.()).catch(() => {});
  }

  async #readNext(): Promise<void> {
    try {
      const { done, value } = await this.#texts.next();
      if (done) {
        this.#read.push(
          create(StreamingSynthesizeRequestSchema, { request: { case: "end", value: {} } }),
        );
        this.#ended = true;
      } else {
        this.#read.push(textRequest("", value));
      }
    } catch (reason) {
      this.failure = { reason };
    }
    this.#reading = undefined;
  }
}
