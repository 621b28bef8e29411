// The page: a form, a player, and pictures of the speech.

import { samplesOf, wavFile } from "./pcm.js";
import { Player } from "./player.js";
import { Session } from "./session.js";
import { SNIPPETS } from "./snippets.js";
import { Spectrogram } from "./spectrogram.js";
import { timelineRows } from "./timeline.js";
import { Waveform } from "./waveform.js";

const element = (id) => document.getElementById(id);
const FORM = ["text", "voice", "seed", "speed", "pace", "token"];
const INSECURE = "Browsers play streamed audio only for pages from https:// or from localhost. Give the server a certificate " +
  "(--tls-cert), or open the page on the server's own machine.";
let speech = null; // the last one, which may run
let language = Object.keys(SNIPPETS)[0];
let defaultVoice = ""; // of the server, where an API needs a name

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  speak().catch((error) => showError(error.message));
});
element("stop").addEventListener("click", () => finish());
element("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("form").requestSubmit();
});
element("copy").hidden = !navigator.clipboard; // browsers offer it to https and localhost only
element("copy").addEventListener("click", () => navigator.clipboard.writeText(element("snippet").textContent));
document.querySelectorAll("[data-format]").forEach((button) =>
  button.addEventListener("click", () => download(button.dataset.format).catch((error) => showError(error.message))));
FORM.forEach((id) => element(id).addEventListener("input", showSnippet));
window.addEventListener("pagehide", () => speech?.session.stop());
showLanguages();
showSnippet();
showServer().catch((error) => { element("server").textContent = `No server: ${error.message}`; });

/** Speak the form's text. */
async function speak() {
  await finish();
  if (!window.isSecureContext) throw new Error(INSECURE);
  const form = Object.fromEntries(FORM.map((id) => [id, element(id).value]));
  const context = new AudioContext({ sampleRate: 24000 });
  const words = element("words");
  const state = {
    form, context, isActive: true, startedAt: performance.now(), parts: [], sampleRate: 24000, received: 0, underruns: 0, words: [],
    waveform: new Waveform(element("waveform")), spectrogram: new Spectrogram(element("spectrogram"), 24000),
  };
  speech = state;
  showResult(form.text);
  state.player = await Player.create(context, {
    onPlayed: (samples) => showPlayed(state, samples),
    onUnderrun: () => { element("underruns").textContent = ++state.underruns; },
    onDone: () => { if (speech === state) finish(); },
  });
  state.session = new Session(form.token, options(form), {
    onStarted: (started) => { element("seed-used").textContent = state.seed = started.seed; },
    onAudio: (bytes) => receive(state, bytes),
    onWords: (found) => state.words.push(...found.map((word) => mark(words, form.text, word))),
    onFinished: (finished) => showFinished(state, finished),
    onError: (reason) => { showError(reason); finish(); },
  });
  await state.session.speak(form.text, form.pace === "typed");
}

function options({ voice, seed, speed }) {
  return {
    ...(voice && { voice: { name: voice } }), ...(seed && { seed: Number(seed) }),
    speaking_rate: Number(speed), word_times: true, audio_format: { sample_rate_hertz: 24000 },
  };
}

function headers() {
  const token = element("token").value;
  return token ? { authorization: `Bearer ${token}` } : {};
}

function receive(state, bytes) {
  if (!state.isActive || !bytes.byteLength) return;
  if (!state.parts.length) {
    element("first-audio").textContent = `${Math.round(performance.now() - state.startedAt)} ms`;
  }
  const samples = samplesOf(bytes);
  state.parts.push(bytes);
  state.received += samples.length;
  element("received").textContent = `${(state.received / state.sampleRate).toFixed(1)} s`;
  state.waveform.push(samples);
  state.spectrogram.push(samples);
  state.player.push(samples);
}

function showPlayed(state, samples) {
  state.waveform.progress(samples);
  for (const { span, first_sample } of state.words) span.classList.toggle("spoken", first_sample < samples);
}

/** Turn one word of the shown text into an element that can be marked. */
function mark(words, text, word) {
  const characters = [...text]; // spans count code points
  const spoken = characters.slice(word.text_span.start, word.text_span.end).join("");
  const span = document.createElement("span");
  span.textContent = spoken;
  const rest = words.lastChild;
  const at = rest.data.indexOf(spoken);
  if (at >= 0) {
    const after = rest.splitText(at);
    after.data = after.data.slice(spoken.length);
    words.insertBefore(span, after);
  }
  return { span, first_sample: word.first_sample };
}

function showFinished(state, finished) {
  state.player.end();
  const wav = wavFile(state.parts, state.sampleRate);
  element("download-wav").href = URL.createObjectURL(wav);
  element("stages").tBodies[0].replaceChildren(...timelineRows(finished.stages));
  element("stages").hidden = false;
}

/** End the running speech: on the server, and in the loudspeaker. */
async function finish() {
  const state = speech;
  setSpeaking(false);
  if (!state?.isActive) return;
  state.isActive = false;
  state.session?.stop();
  await state.player?.close();
}

/** Ask for the speech once more, with the same seed and so with the same sound, in another format. */
async function download(format) {
  const { form, seed } = speech;
  if (seed === undefined) throw new Error("Nothing was spoken yet.");
  const body = { input: form.text, response_format: format, seed: Number(seed), speed: Number(form.speed), ...(form.voice && { voice: form.voice }) };
  const request = { method: "POST", headers: { "content-type": "application/json", ...headers() }, body: JSON.stringify(body) };
  const response = await checked(await fetch("v1/audio/speech", request));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = `speech.${format}`;
  link.click();
}

async function checked(response) {
  if (response.ok) return response;
  throw new Error((await response.json()).error.message);
}

async function showServer() {
  const read = async (path) => (await checked(await fetch(path, { headers: headers() }))).json();
  const [{ voices }, models] = await Promise.all([read("v1/audio/voices"), read("v1/models")]);
  element("server").textContent = `Model ${models.data[0].id}`;
  defaultVoice = voices.find((voice) => voice.is_default)?.id ?? "";
  const choices = voices.map(({ id, description }) => new Option(description ? `${id} (${description})` : id, id));
  element("voice").append(...choices, new Option("none (a random speaker)", "none"));
  showSnippet();
}

function showResult(text) {
  element("error").hidden = true;
  element("result").hidden = false;
  element("stages").hidden = true;
  element("words").textContent = text;
  for (const id of ["first-audio", "received", "seed-used"]) element(id).textContent = "–";
  element("underruns").textContent = 0;
  setSpeaking(true);
}

function setSpeaking(isSpeaking) {
  element("stop").disabled = !isSpeaking;
  document.body.dataset.speaking = isSpeaking;
}

function showError(message) {
  element("error").textContent = message;
  element("error").hidden = false;
}

function showLanguages() {
  const tabs = Object.keys(SNIPPETS).map((name) => {
    const tab = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "snippet");
    tab.addEventListener("click", () => { language = name; showSnippet(); tab.focus(); });
    return tab;
  });
  element("languages").replaceChildren(...tabs);
  element("languages").addEventListener("keydown", ({ key }) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step) tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length].click();
  });
}

function showSnippet() {
  for (const tab of element("languages").children) {
    const isSelected = tab.textContent === language;
    tab.setAttribute("aria-selected", isSelected);
    tab.tabIndex = isSelected ? 0 : -1; // the arrow keys select the others
  }
  const request = {
    text: element("text").value, voice: element("voice").value, seed: element("seed").value, speed: Number(element("speed").value || 1),
    origin: location.origin, defaultVoice, needsToken: element("token").value !== "",
  };
  element("snippet").firstElementChild.textContent = SNIPPETS[language](request);
}
