"""Speak the answer of a language model while the model writes it.

    export OPENAI_API_KEY=...
    python examples/llm_to_speech.py "Tell me a short story about a fox."

OPENAI_BASE_URL chooses another server, such as http://localhost:11434/v1 for Ollama.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator

from openai import AsyncOpenAI

from barkclient import AsyncClient


async def answer(llm: AsyncOpenAI, model: str, question: str) -> AsyncIterator[str]:
    """Ask the model, and yield its answer piece by piece."""
    stream = await llm.chat.completions.create(
        model=model, messages=[{"role": "user", "content": question}], stream=True
    )
    async for event in stream:
        if event.choices and (text := event.choices[0].delta.content):
            print(text, end="", flush=True)
            yield text
    print()


async def main() -> None:
    """Speak into a file. Speech starts after the first sentence of the answer."""
    parser = argparse.ArgumentParser(description="Speak the answer of a language model.")
    parser.add_argument("question")
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("--voice")
    parser.add_argument("--output", default="answer.mp3")
    arguments = parser.parse_args()
    server = os.environ.get("BARKCLIENT_SERVER", "localhost:50051")
    async with AsyncOpenAI() as llm, AsyncClient(server) as bark:
        text = answer(llm, arguments.model, arguments.question)
        speech = bark.synthesize_stream(text, voice=arguments.voice, encoding="mp3")
        with open(arguments.output, "wb") as file:
            async for chunk in speech:
                file.write(chunk.audio)
    seconds = speech.finished.sample_count / speech.started.sample_rate
    print(f"{seconds:.1f} s of speech in {arguments.output}")


if __name__ == "__main__":
    asyncio.run(main())
