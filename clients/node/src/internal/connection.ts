/** The connection of a client: typed calls over one gRPC channel. */

import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type CallOptions, Client, Metadata } from "@grpc/grpc-js";
import { Cancelled, fromFailure } from "../errors.js";
import { channelCredentials, type Tls, tlsOptions } from "../tls.js";
import { abortable } from "./abort.js";
import { Call, DuplexCall } from "./call.js";
import { channelOptions, channelTarget } from "./channel.js";
import { checkToken, type Token, tokenInterceptor } from "./token.js";

/** How to connect. */
export interface ConnectionOptions {
  readonly tls: Tls | undefined;
  readonly token: Token | undefined;
  readonly insecure: boolean;
}

interface Cancellable {
  cancel(): void;
}

/** Calls the server. Closing it cancels all calls. */
export class Connection {
  /** The server's address, for error messages. */
  readonly target: string;
  readonly #client: Client;
  readonly #calls = new Set<Cancellable>();
  #closed = false;

  constructor(address: string | readonly string[], options: ConnectionOptions) {
    const { tls, token, insecure } = options;
    this.target = channelTarget(address);
    checkToken(token, this.target, tls, insecure);
    this.#client = new Client(this.target, channelCredentials(tls), {
      ...channelOptions(this.target),
      ...tlsOptions(tls),
      ...(token === undefined ? {} : { interceptors: [tokenInterceptor(token)] }),
    });
  }

  /** Calls a method with one response. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    signal?.throwIfAborted();
    this.#checkOpen();
    let settle: (failure: unknown, response?: MessageShape<O>) => void = () => {};
    const answer = new Promise<MessageShape<O>>((resolve, reject) => {
      settle = (failure, response) => {
        if (response === undefined) reject(fromFailure(failure, this.target));
        else resolve(response);
      };
    });
    const call = this.#client.makeUnaryRequest(
      path(method),
      encoder(method.input),
      decoder(method.output),
      request,
      new Metadata(),
      callOptions(timeoutMs),
      (failure, response) => settle(failure, response),
    );
    this.#track(call);
    try {
      return await abortable(answer, signal);
    } finally {
      call.cancel();
    }
  }

  /** Calls a method that streams responses. */
  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    timeoutMs: number | undefined,
  ): Call<MessageShape<O>> {
    this.#checkOpen();
    const stream = this.#client.makeServerStreamRequest(
      path(method),
      encoder(method.input),
      decoder(method.output),
      request,
      new Metadata(),
      callOptions(timeoutMs),
    );
    this.#track(stream);
    return new Call(stream, this.target);
  }

  /** Calls a method that streams requests and responses. */
  duplex<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    timeoutMs: number | undefined,
  ): DuplexCall<MessageShape<I>, MessageShape<O>> {
    this.#checkOpen();
    const stream = this.#client.makeBidiStreamRequest(
      path(method),
      encoder(method.input),
      decoder(method.output),
      new Metadata(),
      callOptions(timeoutMs),
    );
    this.#track(stream);
    return new DuplexCall(stream, this.target);
  }

  /** Cancels all calls and closes the channel. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new Cancelled("the client was closed: create another one");
  }

  #track(call: Cancellable & NodeJS.EventEmitter): void {
    this.#calls.add(call);
    call.once("status", () => this.#calls.delete(call));
  }
}

function path(method: { name: string; parent: { typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encoder<Schema extends DescMessage>(
  schema: Schema,
): (message: MessageShape<Schema>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder<Schema extends DescMessage>(
  schema: Schema,
): (bytes: Buffer) => MessageShape<Schema> {
  return (bytes) =>
    fromBinary(schema, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

function callOptions(timeoutMs: number | undefined): CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}
