/** The client: one gRPC channel; a synthesis is an async iterable of audio chunks. */

import { create, toBinary } from "@bufbuild/protobuf";
import {
  CreateVoiceRequestSchema,
  DeleteVoiceRequestSchema,
  GetServerInfoRequestSchema,
  GetVoiceRequestSchema,
  ListVoicesRequestSchema,
  SpeechService,
} from "./gen/barkserve/v1/speech_pb.js";
import { DEFAULT_ADDRESS } from "./internal/channel.js";
import { Connection } from "./internal/connection.js";
import { DEFAULT_RECONNECT_MS, Reconnection } from "./internal/reconnection.js";
import { TextSource, type Texts } from "./internal/text-source.js";
import type { Token } from "./internal/token.js";
import {
  buildConfig,
  buildRequest,
  type CallOptions,
  resumedRequest,
  type SpeechOptions,
  type StreamOptions,
} from "./options.js";
import { decodeServerInfo, type ServerInfo } from "./server-info.js";
import { SpeechStream } from "./speech-stream.js";
import { Synthesis } from "./synthesis.js";
import type { Tls } from "./tls.js";
import {
  decodePrompt,
  decodeVoice,
  type HistoryPrompt,
  type NewVoice,
  type Voice,
  type VoiceLike,
  voiceSelection,
} from "./voices.js";

const METHODS = SpeechService.method;

/** How a client connects and how long it tries. */
export interface BarkClientOptions {
  /** Sent with each call, for servers that authenticate. A function is called for each call. */
  readonly token?: Token;
  /** Certificates; true: trust the authorities of Node.js. Default: plaintext. */
  readonly tls?: Tls | boolean;
  /** Whether the token may be sent in plaintext to another machine. Default: false. */
  readonly insecure?: boolean;
  /** Milliseconds for each call, unless the call sets its own. Default: no limit. */
  readonly timeoutMs?: number;
  /**
   * Milliseconds for which a speech whose connection broke tries to continue without loss, over a
   * new connection; 0: it fails at once. Default: 30000.
   */
  readonly reconnectMs?: number;
}

/**
 * A client of one server, or of several replicas.
 *
 * ```ts
 * const client = new BarkClient("localhost:50051");
 * for await (const chunk of client.synthesize("Hello")) play(chunk.samples());
 * ```
 */
export class BarkClient implements Disposable {
  readonly #connection: Connection;
  readonly #timeoutMs: number | undefined;
  readonly #reconnectMs: number;

  /**
   * @param address - HOST:PORT of the orchestrator, any name that gRPC can resolve, or several
   *   addresses IP:PORT of replicas. The client uses the first one that answers.
   * @throws InvalidRequest if the address or the token cannot be used, or the token would be sent
   *   in plaintext.
   */
  constructor(
    address: string | readonly string[] = DEFAULT_ADDRESS,
    options: BarkClientOptions = {},
  ) {
    const { tls, token, insecure = false } = options;
    this.#timeoutMs = options.timeoutMs;
    this.#reconnectMs = options.reconnectMs ?? DEFAULT_RECONNECT_MS;
    this.#connection = new Connection(address, {
      tls: tls === true ? {} : tls === false ? undefined : tls,
      token,
      insecure,
    });
  }

  /**
   * Speaks a text. The request is sent at once.
   *
   * @param text - what to say, of any length.
   * @throws InvalidRequest if an option is wrong.
   */
  synthesize(text: string, options: SpeechOptions & CallOptions = {}): Synthesis {
    const request = buildRequest(text, options);
    const reconnection = this.#reconnection(options);
    return new Synthesis({
      target: this.#connection.target,
      reconnection,
      signal: options.signal,
      source: undefined,
      start: (resume) =>
        this.#connection.serverStream(
          METHODS.synthesize,
          resumedRequest(request, resume),
          reconnection.leftMs,
        ),
    });
  }

  /**
   * Speaks text while it is being written.
   *
   * @param texts - parts of the text, cut anywhere; bytes are UTF-8. What it throws is thrown to
   *   the reader of the audio.
   * @throws InvalidRequest if an option is wrong.
   */
  synthesizeStream(texts: Texts, options: StreamOptions & CallOptions = {}): Synthesis {
    const source = new TextSource(buildConfig(options), texts);
    const reconnection = this.#reconnection(options);
    return new Synthesis({
      target: this.#connection.target,
      reconnection,
      signal: options.signal,
      source,
      start: (resume) => {
        const call = this.#connection.duplex(METHODS.streamingSynthesize, reconnection.leftMs);
        void source.send(call, resume);
        return call;
      },
    });
  }

  /** Starts a call for several contexts, with flush and cancel. Its `speak` opens a context. */
  stream(options: CallOptions = {}): SpeechStream {
    const reconnection = this.#reconnection(options);
    return new SpeechStream({
      target: this.#connection.target,
      reconnection,
      signal: options.signal,
      start: () => this.#connection.duplex(METHODS.streamingSynthesize, reconnection.leftMs),
    });
  }

  /** Lists the named voices in alphabetical order, of one language (BCP 47) if it is given. */
  async listVoices(options: CallOptions & { readonly language?: string } = {}): Promise<Voice[]> {
    const request = create(ListVoicesRequestSchema, { languageCode: options.language });
    const response = await this.#connection.unary(
      METHODS.listVoices,
      request,
      ...this.#call(options),
    );
    return response.voices.map(decodeVoice);
  }

  /**
   * Describes one voice.
   *
   * @throws VoiceNotFound if the server has no such voice.
   */
  async getVoice(name: string, options: CallOptions = {}): Promise<Voice> {
    const request = create(GetVoiceRequestSchema, { name });
    const response = await this.#connection.unary(
      METHODS.getVoice,
      request,
      ...this.#call(options),
    );
    return decodeVoice(response.voice);
  }

  /**
   * Downloads the tokens of one voice.
   *
   * @throws VoiceNotFound if the server has no such voice.
   */
  async getVoiceTokens(name: string, options: CallOptions = {}): Promise<HistoryPrompt> {
    const request = create(GetVoiceRequestSchema, { name, includeHistoryPrompt: true });
    const response = await this.#connection.unary(
      METHODS.getVoice,
      request,
      ...this.#call(options),
    );
    return decodePrompt(response.historyPrompt);
  }

  /**
   * Stores a voice under a name, for all replicas of the server.
   *
   * @throws VoiceExists if a voice has that name and `replace` is not set, VoiceStoreFull, or
   *   PreconditionFailed if the server has no voice store.
   */
  async createVoice(
    name: string,
    source: VoiceLike,
    options: NewVoice & CallOptions = {},
  ): Promise<Voice> {
    const request = create(CreateVoiceRequestSchema, {
      name,
      source: voiceSelection(source),
      languageCode: options.language,
      description: options.description,
      replace: options.replace,
    });
    toBinary(CreateVoiceRequestSchema, request);
    const response = await this.#connection.unary(
      METHODS.createVoice,
      request,
      ...this.#call(options),
    );
    return decodeVoice(response.voice);
  }

  /**
   * Deletes a stored voice.
   *
   * @throws VoiceNotFound, or PreconditionFailed if the voice belongs to the checkpoint.
   */
  async deleteVoice(name: string, options: CallOptions = {}): Promise<void> {
    const request = create(DeleteVoiceRequestSchema, { name });
    await this.#connection.unary(METHODS.deleteVoice, request, ...this.#call(options));
  }

  /** Describes the server: version, model, formats and limits. */
  async serverInfo(options: CallOptions = {}): Promise<ServerInfo> {
    const request = create(GetServerInfoRequestSchema);
    return decodeServerInfo(
      await this.#connection.unary(METHODS.getServerInfo, request, ...this.#call(options)),
    );
  }

  /** Cancels all calls and closes the connection. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #reconnection(options: CallOptions): Reconnection {
    return new Reconnection(this.#reconnectMs, options.timeoutMs ?? this.#timeoutMs);
  }

  #call(options: CallOptions): [number | undefined, AbortSignal | undefined] {
    return [options.timeoutMs ?? this.#timeoutMs, options.signal];
  }
}
