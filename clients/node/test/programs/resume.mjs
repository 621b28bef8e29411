// Speaks over the servers in ADDRESSES, twice at once: LONG as a whole and TEXT in pieces, cut at
// "|". It prints "begun", waits for a line of standard input, continues, and prints JSON.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { BarkClient } from "barkclient";

const { ADDRESSES, TEXT, LONG, ENCODING } = process.env;
const client = new BarkClient(ADDRESSES.split(","));
const options = { seed: 1, encoding: ENCODING, wordTimes: true, maxDelayMs: 60_000 };
const [half] = TEXT.split("|");
const text = TEXT.replace("|", "");

const synthesis = client.synthesize(LONG, options);
const stream = client.stream();
const context = stream.speak(options);
context.write(half);
const first = context.flush();
await context.waitFlushed(first);
const heard = [await synthesis.next(), await context.next()].map(({ value }) => value.audio);

console.log("begun");
await once(process.stdin, "data");

context.write(text.slice(half.length)); // during the outage
const second = context.flush();
context.end();
const rest = await Promise.all([synthesis.bytes(), context.bytes()]);
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
