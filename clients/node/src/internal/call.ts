/** Reads and writes the messages of one gRPC call. */

import type { ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { ServerUnavailable } from "../errors.js";

/** A server that sends neither messages nor heartbeats. */
export class ServerSilent extends ServerUnavailable {
  constructor(target: string, limitMs: number) {
    super(
      `${target} sent neither audio nor a heartbeat for ${limitMs / 1000} s: check that it runs`,
    );
    this.name = "ServerUnavailable";
  }
}

/**
 * The responses of one streaming call.
 *
 * They are read only as the reader asks for them, so that the server notices a reader that stops.
 */
export class Call<Response> {
  readonly #stream: ClientReadableStream<Response>;
  readonly #target: string;
  #failure: ServiceError | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: ClientReadableStream<Response>, target: string) {
    this.#stream = stream;
    this.#target = target;
    stream.on("readable", () => this.#wake?.());
    stream.on("end", () => {
      this.#ended = true;
      this.#wake?.();
    });
    stream.on("error", (failure: ServiceError) => {
      this.#failure = failure;
      this.#wake?.();
    });
  }

  /** Whether the call has ended, apart from responses that have not been read. */
  get over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  /**
   * Reads the next response; undefined at the end.
   *
   * @param silenceMs - milliseconds without a response after which the server counts as lost;
   *   undefined: no limit.
   * @throws ServerSilent, or the ServiceError that ended the call.
   */
  async next(silenceMs: number | undefined): Promise<Response | undefined> {
    for (;;) {
      const response = this.#stream.read() as Response | null;
      if (response !== null) return response;
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      if (!(await this.#news(silenceMs))) throw new ServerSilent(this.#target, silenceMs ?? 0);
    }
  }

  /** Cancels the call. Its reader gets an error with the status CANCELLED. */
  cancel(): void {
    this.#stream.cancel();
  }

  /** Waits until something has arrived. Returns false after the limit. */
  #news(limitMs: number | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      // setImmediate: what arrived while this process was busy counts.
      const timer =
        limitMs === undefined
          ? undefined
          : setTimeout(() => setImmediate(() => settle(false)), limitMs);
      const settle = (arrived: boolean) => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(arrived);
      };
      this.#wake = () => settle(true);
    });
  }
}

/** A call that also sends requests. */
export class DuplexCall<Request, Response> extends Call<Response> {
  readonly #duplex: ClientDuplexStream<Request, Response>;
  #wakeWriter: (() => void) | undefined;

  constructor(stream: ClientDuplexStream<Request, Response>, target: string) {
    super(stream, target);
    this.#duplex = stream;
    for (const event of ["drain", "end", "error"]) stream.on(event, () => this.#wakeWriter?.());
  }

  /**
   * Sends a request, unless the call has ended.
   *
   * @returns whether more can be sent without filling memory.
   */
  write(request: Request): boolean {
    return this.over || this.#duplex.write(request);
  }

  /** Waits until `write` may be called again, or until the call has ended. For one writer. */
  async drained(): Promise<void> {
    while (!this.over && this.#duplex.writableNeedDrain)
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
  }

  /** Ends the requests. */
  end(): void {
    if (!this.over) this.#duplex.end();
  }
}
