#!/usr/bin/env node
/** The command `barkclient`: say, voices and info. */

import { readFileSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { extname } from "node:path";
import { parseArgs } from "node:util";
import {
  BarkClient,
  BarkClientError,
  DeadlineExceeded,
  type Encoding,
  InvalidRequest,
  Overloaded,
  PermissionDenied,
  PreconditionFailed,
  ServerUnavailable,
  type Speech,
  type Tls,
  Unauthenticated,
  type VoiceLike,
  VoiceNotFound,
} from "./index.js";
import { wavSizes } from "./wav.js";

const USAGE = `usage: barkclient say TEXT [options]      speak TEXT into a file; - reads standard input
       barkclient voices [options]        list the voices
       barkclient info [options]          describe the server

say:
  -o, --output FILE     output file; - is standard output (default: speech.wav)
  --format FORMAT       wav, pcm, flac, opus, mp3, mulaw or alaw (default: from the suffix of FILE)
  --voice VOICE         a name, "none", a handle, or a file .npz
  --seed N              the same seed gives the same audio
  --language CODE       language of the text, BCP 47
  --rate HZ             sample rate, 8000 to 48000
  --gain DB             gain, -40 to 40
  --delivery MODE       streaming or exact
  --stream-text         with -: speak while the text is being written
  -q, --quiet           print no summary

connection:
  --server HOST:PORT    address of the orchestrator (environment: BARKCLIENT_SERVER;
                        default: localhost:50051)
  --token TOKEN         token for servers that authenticate (environment: BARKCLIENT_TOKEN)
  --tls                 use TLS and trust the authorities of Node.js
  --tls-ca FILE.pem     use TLS and trust these certificate authorities
  --tls-cert FILE.pem   the client's own certificate
  --tls-key FILE.pem    private key of --tls-cert
  --tls-server-name NAME
                        name in the server's certificate, if it is not the host
  --insecure            send the token to another machine without TLS
  --timeout SECONDS     give up after this time (default: no limit)

-h, --help, --version
`;

const OPTIONS = {
  output: { type: "string", short: "o" },
  format: { type: "string" },
  voice: { type: "string" },
  seed: { type: "string" },
  language: { type: "string" },
  rate: { type: "string" },
  gain: { type: "string" },
  delivery: { type: "string" },
  "stream-text": { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  server: { type: "string" },
  token: { type: "string" },
  tls: { type: "boolean" },
  "tls-ca": { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "tls-server-name": { type: "string" },
  insecure: { type: "boolean" },
  timeout: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

const FORMATS: Readonly<Record<string, Encoding>> = {
  wav: "wav",
  pcm: "pcm16",
  flac: "flac",
  opus: "ogg_opus",
  mp3: "mp3",
  mulaw: "mulaw",
  alaw: "alaw",
};

const SUFFIXES: Readonly<Record<string, string>> = {
  ".wav": "wav",
  ".pcm": "pcm",
  ".raw": "pcm",
  ".flac": "flac",
  ".opus": "opus",
  ".ogg": "opus",
  ".mp3": "mp3",
  ".ulaw": "mulaw",
  ".mulaw": "mulaw",
  ".ul": "mulaw",
  ".alaw": "alaw",
  ".al": "alaw",
};

const FAILED = 1;
const USAGE_ERROR = 2;
const INTERRUPTED = 130;
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

type Values = ReturnType<typeof parse>["values"];

function parse(words: string[]) {
  try {
    return parseArgs({ args: words, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new InvalidRequest(error instanceof Error ? error.message : String(error));
  }
}

async function run(words: string[]): Promise<number> {
  const { values, positionals } = parse(words);
  const [command, ...rest] = positionals;
  if (values.version) return print(`barkclient ${version()}`);
  if (values.help) return print(USAGE.trimEnd());
  if (command === "say" && rest.length === 1 && rest[0] !== undefined)
    return await say(rest[0], values);
  if (command === "voices" && rest.length === 0) return await voices(values);
  if (command === "info" && rest.length === 0) return await info(values);
  process.stderr.write(USAGE);
  return USAGE_ERROR;
}

async function say(text: string, values: Values): Promise<number> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  const { output, encoding } = target(values);
  using client = connect(values);
  const options = {
    encoding,
    voice: await voice(values.voice),
    seed: seed(values.seed),
    language: values.language,
    sampleRate: number("--rate", values.rate),
    gainDb: number("--gain", values.gain),
    delivery: values.delivery as "streaming" | "exact" | undefined,
    signal: interrupt.signal,
  };
  const speech =
    text === "-" && values["stream-text"]
      ? client.synthesizeStream(process.stdin, options)
      : client.synthesize(text === "-" ? await standardInput() : text, options);
  const begun = performance.now();
  try {
    await (output === "-" ? pipe(speech) : save(speech, output));
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.stderr.write("barkclient: interrupted\n");
    return INTERRUPTED;
  }
  for (const { message } of speech.finished.warnings)
    process.stderr.write(`barkclient: warning: ${message}\n`);
  if (!values.quiet) summarize(speech, output, (performance.now() - begun) / 1000);
  return 0;
}

/** Writes the audio as it arrives. The sizes in a WAV header are corrected at the end. */
async function save(speech: Speech, output: string): Promise<void> {
  let file: FileHandle | undefined;
  let byteCount = 0;
  try {
    for await (const chunk of speech) {
      file ??= await open(output, "w");
      await file.write(chunk.audio);
      byteCount += chunk.audio.length;
    }
  } finally {
    if (file !== undefined && speech.started.encoding === "wav")
      for (const { position, bytes } of wavSizes(byteCount))
        await file.write(bytes, 0, bytes.length, position);
    await file?.close();
  }
}

async function pipe(speech: Speech): Promise<void> {
  for await (const chunk of speech)
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(chunk.audio, (error) => (error ? reject(error) : resolve()));
    });
}

function summarize(speech: Speech, output: string, seconds: number): void {
  const spoken = speech.finished.sampleCount / speech.started.sampleRate;
  process.stderr.write(
    `${output}: ${spoken.toFixed(2)} s of speech in ${seconds.toFixed(2)} s,` +
      ` voice ${speech.started.voice}, seed ${speech.started.seed}\n`,
  );
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

function connect(values: Values): BarkClient {
  const seconds = number("--timeout", values.timeout);
  return new BarkClient(values.server ?? process.env.BARKCLIENT_SERVER, {
    token: values.token ?? process.env.BARKCLIENT_TOKEN,
    tls: tls(values),
    insecure: values.insecure,
    timeoutMs: seconds === undefined ? undefined : 1000 * seconds,
  });
}

function tls(values: Values): Tls | undefined {
  const { "tls-ca": ca, "tls-cert": certificate, "tls-key": key } = values;
  if (!values.tls && ca === undefined && certificate === undefined && key === undefined)
    return undefined;
  return {
    ca: ca === undefined ? undefined : readFileSync(ca),
    certificate: certificate === undefined ? undefined : readFileSync(certificate),
    key: key === undefined ? undefined : readFileSync(key),
    serverName: values["tls-server-name"],
  };
}

function target(values: Values): { output: string; encoding: Encoding } {
  const format = values.format ?? SUFFIXES[extname(values.output ?? "").toLowerCase()] ?? "wav";
  const encoding = FORMATS[format];
  if (encoding === undefined)
    throw new InvalidRequest(
      `--format: "${format}" is not one of ${Object.keys(FORMATS).join(", ")}`,
    );
  return { output: values.output ?? `speech.${format}`, encoding };
}

async function voice(name: string | undefined): Promise<VoiceLike | undefined> {
  return name?.endsWith(".npz") ? { npz: await readFile(name) } : name;
}

function seed(text: string | undefined): bigint | undefined {
  if (text === undefined || /^[0-9]+$/.test(text)) return text === undefined ? text : BigInt(text);
  throw new InvalidRequest(`--seed: "${text}" is not a whole number of 0 or more`);
}

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidRequest(`${option}: "${text}" is not a number`);
  return value;
}

async function standardInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
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
  process.stderr.write(`barkclient: ${error instanceof Error ? error.message : String(error)}\n`);
  if (!(error instanceof BarkClientError)) return FAILED;
  return EXIT_CODES.find(([kind]) => error instanceof kind)?.[1] ?? FAILED;
}

process.exitCode = await run(process.argv.slice(2)).catch(failed);
