/** TLS settings of a client. */

import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { InvalidRequest } from "./errors.js";

/** Contents of PEM files, as text or bytes. */
export type Pem = string | Uint8Array;

/** TLS settings. Without `ca`, the certificate authorities of Node.js are trusted. */
export interface Tls {
  /** The certificate authorities to trust, in PEM. */
  readonly ca?: Pem;
  /** The client's own certificate, in PEM, for servers that require one. */
  readonly certificate?: Pem;
  /** The private key of `certificate`, in PEM. */
  readonly key?: Pem;
  /** The name in the server's certificate, if it is not the host in the address. */
  readonly serverName?: string;
}

/** Builds the credentials of a channel. Undefined: plaintext. */
export function channelCredentials(tls: Tls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  if ((tls.certificate === undefined) !== (tls.key === undefined))
    throw new InvalidRequest("a certificate and its key go together: give both or neither");
  return credentials.createSsl(
    pem("ca", tls.ca),
    pem("key", tls.key),
    pem("certificate", tls.certificate),
  );
}

/** Returns channel options in addition to the credentials. */
export function tlsOptions(tls: Tls | undefined): ChannelOptions {
  return tls?.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName };
}

function pem(name: keyof Tls, content: Pem | undefined): Buffer | null {
  if (content === undefined) return null;
  const bytes = Buffer.from(content);
  if (!bytes.includes("-----BEGIN "))
    throw InvalidRequest.ofField(`tls.${name}`, "is not the content of a PEM file");
  return bytes;
}
