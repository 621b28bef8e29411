/** Sends a token with every call. */

import { InterceptingCall, type Interceptor, Metadata, status as StatusCode } from "@grpc/grpc-js";
import { InvalidRequest } from "../errors.js";
import type { Tls } from "../tls.js";
import { isLoopback } from "./channel.js";

/** A token, or a function that returns it for each call: for tokens that expire. */
export type Token = string | (() => string | Promise<string>);

/**
 * Checks before the first call that a token can be sent, and that others cannot read it.
 *
 * @throws InvalidRequest if it has characters that cannot be sent, or would be sent in plaintext.
 */
export function checkToken(
  token: Token | undefined,
  target: string,
  tls: Tls | undefined,
  insecure: boolean,
): void {
  if (token === undefined) return;
  if (typeof token === "string") checked(token);
  if (tls === undefined && !insecure && !isLoopback(target))
    throw InvalidRequest.ofField(
      "token",
      `it would be sent to ${target} without encryption: use TLS (tls), or allow it (insecure)`,
    );
}

/** Returns an interceptor that adds the token to the metadata of each call. */
export function tokenInterceptor(token: Token): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        const add = (value: string) => {
          metadata.set("authorization", `Bearer ${checked(value)}`);
          next(metadata, listener);
        };
        if (typeof token === "string") add(token);
        else
          Promise.resolve()
            .then(token)
            .then(add)
            .catch((error: unknown) => {
              const details = `the function that returns the token failed: ${String(error)}`;
              listener.onReceiveStatus({
                code: StatusCode.UNAUTHENTICATED,
                details,
                metadata: new Metadata(),
              });
            });
      },
    });
}

/** Returns a token that can be sent. The message of the error does not contain it. */
function checked(token: string): string {
  if (/^[!-~]+$/.test(token)) return token;
  throw InvalidRequest.ofField("token", "it must be printable ASCII characters without spaces");
}
