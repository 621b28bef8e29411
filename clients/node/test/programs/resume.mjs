// Speaks over the servers in ADDRESSES, three times at once: LONG as a whole, and TEXT in two
// parts, cut at "|", in a context and as an iterable. It prints "begun", waits for a line of standard input, continues, and prints JSON.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { BarkClient } from "barkclient";

const { ADDRESSES, TEXT, LONG, ENCODING } = process.env;
const client = new BarkClient(ADDRESSES.split(","));
const options = { seed: 1, encoding: ENCODING, wordTimes: true, maxDelayMs: 60_000 };
const [half] = TEXT.split("|");
const text = TEXT.replace("|", "");

const lost = once(process.stdin, "data");

async function* typed() {
  yield half;
  await lost;
  yield text.slice(half.length);
}

const synthesis = client.synthesize(LONG, options);
const stream = client.stream();
const context = stream.speak(options);
context.write(half);
const first = context.flush();
await context.waitFlushed(first);
const typing = client.synthesizeStream(typed(), options);
const heard = [await synthesis.next(), await context.next(), await typing.next()].map(
  ({ value }) => value.audio,
);

console.log("begun");
await lost;

context.write(text.slice(half.length)); // during the outage
const second = context.flush();
context.end();
const rest = await Promise.all([synthesis, context, typing].map((speech) => speech.bytes()));
console.log(
  JSON.stringify({
    digests: rest.map((bytes, index) =>
      createHash("sha256").update(heard[index]).update(bytes).digest("hex"),
    ),
    words: context.words.map(({ word }) => word),
    flushed: context.flushed.length === 2 && context.flushed[1] === second,
  }),
);
client.close();
process.stdin.unref();
