#!/usr/bin/env node
/** The command `barkclient`: say, voices and info. */

import { readFileSync } from "node:fs";
import {
  BarkClientError,
  DeadlineExceeded,
  InvalidRequest,
  Overloaded,
  PermissionDenied,
  PreconditionFailed,
  ServerUnavailable,
  Unauthenticated,
  VoiceNotFound,
} from "../index.js";
import { connect, parse, USAGE, type Values, withOptionNames } from "./arguments.js";
import { say } from "./say.js";

const FAILED = 1;
const USAGE_ERROR = 2;
const EXIT_CODES = [
  [InvalidRequest, USAGE_ERROR],
  [VoiceNotFound, USAGE_ERROR],
  [PreconditionFailed, USAGE_ERROR],
  [ServerUnavailable, 3],
  [Overloaded, 4],
  [DeadlineExceeded, 5],
  [Unauthenticated, 6],
  [PermissionDenied, 6],
] as const;

async function run(words: string[]): Promise<number> {
  const { values, positionals } = parse(words);
  const [command, ...rest] = positionals;
  if (values.version) return print(`barkclient ${version()}`);
  if (values.help) return print(USAGE.trimEnd());
  if (command === "say" && rest.length > 0) return await say(rest.join(" "), values);
  if (command === "voices" && rest.length === 0) return await voices(values);
  if (command === "info" && rest.length === 0) return await info(values);
  process.stderr.write(USAGE);
  return USAGE_ERROR;
}

async function voices(values: Values): Promise<number> {
  using client = connect(values);
  for (const each of await client.listVoices({ language: values.language }))
    print(
      [each.name, each.language, each.isDefault ? "default" : "", each.description]
        .join("\t")
        .trimEnd(),
    );
  return 0;
}

async function info(values: Values): Promise<number> {
  using client = connect(values);
  return print(JSON.stringify(await client.serverInfo(), undefined, 2));
}

function version(): string {
  const file = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return JSON.parse(file).version;
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function failed(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`barkclient: ${withOptionNames(message)}\n`);
  if (!(error instanceof BarkClientError)) return FAILED;
  return EXIT_CODES.find(([kind]) => error instanceof kind)?.[1] ?? FAILED;
}

process.exitCode = await run(process.argv.slice(2)).catch(failed);
