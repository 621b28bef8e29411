/** The server of these tests: `barkserve up`, started by tests/node, which sets the variables. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BarkClient, type BarkClientOptions } from "../../src/index.js";

export const SERVER = variable("BARKCLIENT_SERVER");
/** Token of a caller with all roles. */
export const TOKEN = variable("BARKCLIENT_TOKEN");
/** Token of a caller that may only speak, one stream at a time. */
export const SOLO_TOKEN = variable("SOLO_TOKEN");
/** The Python client's command. */
const PYTHON_COMMAND = variable("PYTHON_BARKCLIENT");

export function connect(options: BarkClientOptions = {}): BarkClient {
  return new BarkClient(SERVER, { token: TOKEN, ...options });
}

/** Returns what the Python client writes to standard output. */
export async function python(...words: string[]): Promise<Uint8Array> {
  const { stdout } = await promisify(execFile)(PYTHON_COMMAND, words, {
    encoding: "buffer",
    maxBuffer: 2 ** 26,
  });
  return Uint8Array.from(stdout);
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run make test-clients`);
  return value;
}
