/** The command line: its options, and what they mean for a call. */

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { parseArgs } from "node:util";
import {
  BarkClient,
  type Delivery,
  type Encoding,
  InvalidRequest,
  type SpeechOptions,
  type TailOptions,
  type TextFormat,
  type Tls,
  type VoiceLike,
} from "../index.js";

export const USAGE = `usage: barkclient say TEXT [options]      speak TEXT into a file; - reads standard input
       barkclient voices [options]        list the voices
       barkclient info [options]          describe the server

say:
  -o, --output FILE     output file; - is standard output (default: speech.wav)
  --format FORMAT       wav, pcm, flac, opus, mp3, mulaw or alaw (default: from the suffix of FILE)
  --rate HZ             sample rate, 8000 to 48000 (default: the checkpoint's, 24000)
  --speaking-rate R     speed of the speech at the same pitch, 0.5 to 2
  --gain DB             change the loudness, -40 to 40
  --limit-peaks         limit peaks that --gain lifts too high, instead of clipping them
  --chunk-ms MS         length of a chunk, 20 to 5000 (default: as generated)
  --stream-text         with -: speak while the text is being written
  -q, --quiet           print no summary

voice and text:
  --voice VOICE         a name, "none", a handle, or a file .npz
  --keep-voice          keep a voice that continues this speech on the server, print its handle
  --language CODE       language of the text, to find sentence ends (default: the voice's)
  --text-format FORMAT  auto, plain, markdown or ssml (default: auto)
  --pronounce WORD=SPELLING
                        read a word in another way: SQL=sequel; may be repeated

generation:
  --seed N              the same seed gives the same audio
  --delivery MODE       streaming or exact (default: streaming)
  --greedy              always take the most likely token
  --semantic-temperature T
                        temperature of the semantic model: pace and intonation
  --coarse-temperature T
                        temperature of the coarse model: timbre
  --fine-temperature T  temperature of the fine model: detail
  --top-k K             sample from the K most likely tokens (semantic, coarse)
  --top-p P             sample from the most likely tokens that sum to P (semantic, coarse)
  --min-eos-p P         end a segment when its end is at least this probable
  --max-silence SECONDS
                        longest silence at the end of a segment; the rest is cut
  --max-seconds-per-character SECONDS
                        longest segment: 2 s plus this time per character; 0: no limit
  --redraws N           with --delivery exact: more seeds for a failed segment, 0 to 3

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
  rate: { type: "string" },
  "speaking-rate": { type: "string" },
  gain: { type: "string" },
  "limit-peaks": { type: "boolean" },
  "chunk-ms": { type: "string" },
  "stream-text": { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  voice: { type: "string" },
  "keep-voice": { type: "boolean" },
  language: { type: "string" },
  "text-format": { type: "string" },
  pronounce: { type: "string", multiple: true },
  seed: { type: "string" },
  delivery: { type: "string" },
  greedy: { type: "boolean" },
  "semantic-temperature": { type: "string" },
  "coarse-temperature": { type: "string" },
  "fine-temperature": { type: "string" },
  "top-k": { type: "string" },
  "top-p": { type: "string" },
  "min-eos-p": { type: "string" },
  "max-silence": { type: "string" },
  "max-seconds-per-character": { type: "string" },
  redraws: { type: "string" },
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

/** Options by the fields that they set, as the server and the library name them. */
const FIELDS: Readonly<Record<string, string>> = {
  "audio_format.sample_rate_hertz": "--rate",
  "audio_format.gain_db": "--gain",
  "audio_format.chunk_ms": "--chunk-ms",
  "audio_format.encoding": "--format",
  speaking_rate: "--speaking-rate",
  language_code: "--language",
  text_format: "--text-format",
  textFormat: "--text-format",
  lexicon: "--pronounce",
  delivery: "--delivery",
  seed: "--seed",
  "semantic.sampling.temperature": "--semantic-temperature",
  "coarse.sampling.temperature": "--coarse-temperature",
  "fine.sampling.temperature": "--fine-temperature",
  "semantic.sampling.top_k": "--top-k",
  "coarse.sampling.top_k": "--top-k",
  "semantic.sampling.top_p": "--top-p",
  "coarse.sampling.top_p": "--top-p",
  "semantic.min_eos_p": "--min-eos-p",
  "tail.max_silence_seconds": "--max-silence",
  "tail.max_seconds_per_character": "--max-seconds-per-character",
  "tail.max_redraws": "--redraws",
};

/** The options that were given. */
export type Values = ReturnType<typeof parse>["values"];

/**
 * Parses the words after the name of the command.
 *
 * @throws InvalidRequest if an option is unknown or lacks its value.
 */
export function parse(words: string[]) {
  try {
    return parseArgs({ args: words, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new InvalidRequest(error instanceof Error ? error.message : String(error));
  }
}

/** Names the options instead of the fields in a message of the server. */
export function withOptionNames(message: string): string {
  return message.replace(/(?<![\w.])[a-zA-Z_.]+(?=[:, ]|$)/g, (word) =>
    Object.hasOwn(FIELDS, word) ? (FIELDS[word] ?? word) : word,
  );
}

/**
 * Returns the options of the speech.
 *
 * @throws InvalidRequest if a value is not valid. The server checks the others.
 */
export async function speechOptions(values: Values): Promise<SpeechOptions> {
  const sampling = {
    topK: number(values, "top-k"),
    topP: number(values, "top-p"),
  };
  return {
    encoding: target(values).encoding,
    sampleRate: number(values, "rate"),
    speakingRate: number(values, "speaking-rate"),
    gainDb: number(values, "gain"),
    limitPeaks: values["limit-peaks"],
    chunkMs: number(values, "chunk-ms"),
    voice: await voice(values.voice),
    keepVoice: values["keep-voice"],
    language: values.language,
    textFormat: values["text-format"] as TextFormat | undefined,
    lexicon: Object.fromEntries((values.pronounce ?? []).map(spelling)),
    seed: seed(values.seed),
    delivery: values.delivery as Delivery | undefined,
    greedy: values.greedy,
    semantic: {
      ...sampling,
      temperature: number(values, "semantic-temperature"),
      minEosP: number(values, "min-eos-p"),
    },
    coarse: { ...sampling, temperature: number(values, "coarse-temperature") },
    fine: { temperature: number(values, "fine-temperature") },
    tail: tail(values),
  };
}

function tail(values: Values): TailOptions | undefined {
  const options = {
    maxSilenceSeconds: number(values, "max-silence"),
    maxSecondsPerCharacter: number(values, "max-seconds-per-character"),
    maxRedraws: number(values, "redraws"),
  };
  return Object.values(options).some((value) => value !== undefined) ? options : undefined;
}

/** Opens the client that the options of the connection describe. */
export function connect(values: Values): BarkClient {
  const seconds = number(values, "timeout");
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

/** Returns the output file and the encoding of its audio. */
export function target(values: Values): { output: string; encoding: Encoding } {
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

function number(values: Values, option: keyof Values): number | undefined {
  const text = values[option];
  if (typeof text !== "string") return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidRequest(`--${option}: "${text}" is not a number`);
  return value;
}

function spelling(given: string): [string, string] {
  const at = given.lastIndexOf("=");
  const [word, read] = [given.slice(0, Math.max(at, 0)).trim(), given.slice(at + 1).trim()];
  if (!word || !read) throw new InvalidRequest(`--pronounce needs WORD=SPELLING: ${given}`);
  return [word, read];
}
