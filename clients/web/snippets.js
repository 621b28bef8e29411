// The request of the page, written for programs.

const quoted = (text) => JSON.stringify(text);
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const body = ({ text, voice, seed, speed }) => JSON.stringify({
  input: text, ...(voice && { voice }), ...(seed && { seed: Number(seed) }), ...(speed !== 1 && { speed }), response_format: "wav",
});

/** @param {{text: string, voice: string, seed: string, speed: number, origin: string}} request */
export const SNIPPETS = {
  curl: (request) =>
    `curl ${request.origin}/v1/audio/speech -H 'content-type: application/json' \\\n  -d ${shell(body(request))} -o speech.wav`,
  "Python (OpenAI)": ({ text, voice, seed, speed, origin }) => `from openai import OpenAI

client = OpenAI(base_url=${quoted(`${origin}/v1`)}, api_key="none")
with client.audio.speech.with_streaming_response.create(
    model="tts-1", voice=${quoted(voice || "alloy")}, response_format="wav",
    input=${quoted(text)},${speed !== 1 ? `\n    speed=${speed},` : ""}${seed ? `\n    extra_body={"seed": ${seed}},` : ""}
) as response:
    response.stream_to_file("speech.wav")`,
  "Node (OpenAI)": ({ text, voice, seed, speed, origin }) => `import { writeFile } from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${quoted(`${origin}/v1`)}, apiKey: "none" });
const response = await client.audio.speech.create({
  model: "tts-1", voice: ${quoted(voice || "alloy")}, response_format: "wav",
  input: ${quoted(text)},${speed !== 1 ? `\n  speed: ${speed},` : ""}${seed ? `\n  seed: ${seed},` : ""}
});
await writeFile("speech.wav", Buffer.from(await response.arrayBuffer()));`,
  Go: (request) => `package main

import (
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	body := ${"`"}${body(request).replaceAll("`", "\\u0060")}${"`"}
	response, err := http.Post(${quoted(`${request.origin}/v1/audio/speech`)}, "application/json", strings.NewReader(body))
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
