/** `barkclient say`: speaks a text into a file while the audio arrives. */

import { type FileHandle, open } from "node:fs/promises";
import { ServerError, type Speech } from "../index.js";
import { wavSizes } from "../wav.js";
import { connect, speechOptions, target, type Values, withOptionNames } from "./arguments.js";

const INTERRUPTED = 130;

/** Speaks the text; returns the exit code. */
export async function say(text: string, values: Values): Promise<number> {
  const interrupt = new AbortController();
  process.once("SIGINT", () => interrupt.abort());
  const { output } = target(values);
  const options = { ...(await speechOptions(values)), signal: interrupt.signal };
  using client = connect(values);
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
  report(speech, output, (performance.now() - begun) / 1000, values.quiet ?? false);
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

/** Prints the warnings, and a summary unless it is to be quiet. */
function report(speech: Speech, output: string, seconds: number, quiet: boolean): void {
  const { started, finished } = speech;
  for (const { message } of finished.warnings)
    process.stderr.write(`barkclient: warning: ${withOptionNames(message)}\n`);
  if (finished.voiceHandleError)
    throw new ServerError(`the voice was not kept: ${finished.voiceHandleError}`);
  const kept = finished.voiceHandle && `, voice kept as handle:${finished.voiceHandle.handle}`;
  const spoken = finished.sampleCount / started.sampleRate;
  if (quiet) return;
  process.stderr.write(
    `${output}: ${spoken.toFixed(2)} s of speech in ${seconds.toFixed(2)} s,` +
      ` voice ${started.voice}, seed ${started.seed}${kept ?? ""}\n`,
  );
}

async function standardInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
