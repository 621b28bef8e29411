// The request of the page, written for programs.

const quoted = (text) => JSON.stringify(text);
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {{text: string, voice: string, seed: string, origin: string}} request */
export const SNIPPETS = {
  curl: ({ text, voice, seed, origin }) => {
    const body = { input: text, ...(voice && { voice }), ...(seed && { seed: Number(seed) }), response_format: "wav" };
    return `curl ${origin}/v1/audio/speech -H 'content-type: application/json' \\\n  -d ${shell(JSON.stringify(body))} -o speech.wav`;
  },
  "Python (OpenAI)": ({ text, voice, seed, origin }) => `from openai import OpenAI

client = OpenAI(base_url=${quoted(`${origin}/v1`)}, api_key="none")
with client.audio.speech.with_streaming_response.create(
    model="tts-1", voice=${quoted(voice || "alloy")}, response_format="wav",
    input=${quoted(text)},${seed ? `\n    extra_body={"seed": ${seed}},` : ""}
) as response:
    response.stream_to_file("speech.wav")`,
  "Node (OpenAI)": ({ text, voice, seed, origin }) => `import { writeFile } from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${quoted(`${origin}/v1`)}, apiKey: "none" });
const response = await client.audio.speech.create({
  model: "tts-1", voice: ${quoted(voice || "alloy")}, response_format: "wav",
  input: ${quoted(text)},${seed ? `\n  seed: ${seed},` : ""}
});
await writeFile("speech.wav", Buffer.from(await response.arrayBuffer()));`,
  Go: ({ text, voice, seed, origin }) => `package main

import (
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	body := ${"`"}${JSON.stringify({ input: text, ...(voice && { voice }), ...(seed && { seed: Number(seed) }), response_format: "wav" }).replaceAll("`", "\\u0060")}${"`"}
	response, err := http.Post(${quoted(`${origin}/v1/audio/speech`)}, "application/json", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	file, err := os.Create("speech.wav")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	io.Copy(file, response.Body)
}`,
};
