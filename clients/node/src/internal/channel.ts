/** Addresses and options of gRPC channels. */

import { isIP } from "node:net";
import type { ChannelOptions } from "@grpc/grpc-js";
import { InvalidRequest } from "../errors.js";
import { SpeechService } from "../gen/barkserve/v1/speech_pb.js";

export const DEFAULT_ADDRESS = "localhost:50051";

const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const HOST_AND_PORT = /^(?:\[([^\]\s]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/;
const LAST_PORT = 65535;
const ADDRESS_SCHEME = /^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?/;
const GRPC_SCHEMES = ["dns:", "unix:", "ipv4:", "ipv6:"];

/**
 * gRPC itself retries a call that fails before its first response. A replica that drains is thus
 * replaced by another one at the same address.
 */
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ pick_first: {} }],
  methodConfig: [
    {
      name: ["Synthesize", "StreamingSynthesize", "ListVoices", "GetVoice", "GetServerInfo"].map(
        (method) => ({ service: SpeechService.typeName, method }),
      ),
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: "0.1s",
        maxBackoff: "1s",
        backoffMultiplier: 3,
        retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
      },
    },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
};

/**
 * Returns the target of a channel.
 *
 * @param address - HOST:PORT, one of gRPC's own forms, or several addresses IP:PORT of replicas.
 * @throws InvalidRequest if gRPC would not understand it.
 */
export function channelTarget(address: string | readonly string[]): string {
  if (typeof address === "string") return checkedTarget(address);
  const [only] = address;
  if (address.length === 1 && only !== undefined) return checkedTarget(only);
  const hosts = address.map((each) => isIP(hostOf(each).replace("localhost", "127.0.0.1")));
  if (hosts.length > 1 && hosts.every((version) => version === hosts[0] && version !== 0))
    return `ipv${hosts[0]}:${address.map((each) => each.replace("localhost", "127.0.0.1")).join(",")}`;
  throw InvalidRequest.ofField(
    "address",
    "several addresses must be IP:PORT of one IP version: give a DNS name that resolves to all",
  );
}

function checkedTarget(target: string): string {
  if (GRPC_SCHEMES.some((scheme) => target.startsWith(scheme))) return target;
  const port = Number(HOST_AND_PORT.exec(target)?.[3]);
  if (port > 0 && port <= LAST_PORT) return target;
  throw InvalidRequest.ofField(
    "address",
    `"${target}" is not a server address: give HOST:PORT, for example ${DEFAULT_ADDRESS}`,
  );
}

/**
 * Returns the options of a channel to a target.
 *
 * Keepalive detects dead and hung peers within three seconds.
 */
export function channelOptions(target: string): ChannelOptions {
  return {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.keepalive_time_ms": 1_000,
    "grpc.keepalive_timeout_ms": 2_000,
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 2_000, // reconnect to a restarted server within seconds
    "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
    "grpc.enable_http_proxy": isLoopback(target) ? 0 : 1,
    "grpc.use_local_subchannel_pool": 1, // clients with different tokens share no connection
  };
}

/** Whether a target is on this machine, where a call must not go to an HTTP proxy. */
export function isLoopback(target: string): boolean {
  if (target.startsWith("unix:")) return true;
  const addresses = target.replace(ADDRESS_SCHEME, "").split(",");
  return addresses.every((address) => {
    const host = hostOf(address);
    return host === "localhost" || (isIP(host) !== 0 && /^(?:127\.|0\.0\.0\.0$|::1?$)/.test(host));
  });
}

function hostOf(address: string): string {
  const match = HOST_AND_PORT.exec(address);
  return match?.[1] ?? match?.[2] ?? address;
}
