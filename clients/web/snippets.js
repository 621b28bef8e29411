// The request of the page, written for programs. They read the token from the environment variable BARKCLIENT_TOKEN.

const quoted = (text) => JSON.stringify(text);
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const url = ({ origin }) => `${origin}/v1/audio/speech`;
const body = ({ text, voice, seed, speed }) => JSON.stringify({
  input: text, ...(voice && { voice }), ...(seed && { seed: Number(seed) }), ...(speed !== 1 && { speed }), response_format: "wav",
});

/**
 * Programs by the name of their tab.
 *
 * Their argument: {text: string, voice: string, seed: string, speed: number, origin: string, defaultVoice: string, needsToken: boolean}.
 */
export const SNIPPETS = { curl, "Python (OpenAI)": python, "Node.js": node, Go: go };

function curl(request) {
  const token = request.needsToken ? ` -H "authorization: Bearer $BARKCLIENT_TOKEN"` : "";
  return `curl ${url(request)} -H 'content-type: application/json'${token} \\\n  -d ${shell(body(request))} -o speech.wav`;
}

function python({ text, voice, seed, speed, origin, defaultVoice, needsToken }) {
  return `${needsToken ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url=${quoted(`${origin}/v1`)}, api_key=${needsToken ? 'os.environ["BARKCLIENT_TOKEN"]' : '"none"'})
with client.audio.speech.with_streaming_response.create(
    model="tts-1", voice=${quoted(voice || defaultVoice || "alloy")}, response_format="wav",
    input=${quoted(text)},${speed !== 1 ? `\n    speed=${speed},` : ""}${seed ? `\n    extra_body={"seed": ${seed}},` : ""}
) as response:
    response.stream_to_file("speech.wav")`;
}

function node(request) {
  const token = request.needsToken ? ", authorization: `Bearer ${process.env.BARKCLIENT_TOKEN}`" : "";
  return `import { writeFile } from "node:fs/promises";

const response = await fetch(${quoted(url(request))}, {
  method: "POST",
  headers: { "content-type": "application/json"${token} },
  body: JSON.stringify(${body(request)}),
});
if (!response.ok) throw new Error(await response.text());
await writeFile("speech.wav", response.body); // written as it arrives`;
}

function go(request) {
  const token = request.needsToken ? '\trequest.Header.Set("Authorization", "Bearer "+os.Getenv("BARKCLIENT_TOKEN"))\n' : "";
  return `package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

func main() {
	body := ${"`"}${body(request).replaceAll("`", "\\u0060")}${"`"}
	request, err := http.NewRequest("POST", ${quoted(url(request))}, strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
${token}	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		io.Copy(os.Stderr, response.Body)
		log.Fatal(response.Status)
	}
	file, err := os.Create("speech.wav")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, response.Body); err != nil {
		log.Fatal(err)
	}
}`;
}
