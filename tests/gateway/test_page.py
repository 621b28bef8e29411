"""The web page, in headless Chromium."""

import json
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright, expect

from barkclient import AsyncClient
from tests.support.fakes import until
from tests.support.gateway import RunningGateway
from tests.support.services import Chain

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is missing: make test-clients installs it"
)

TEXT = "Hello there. How are you today?"
LONG = "Hello there. How are you today? " * 500
FLAGS = (
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
RECORD_WORKLET_MESSAGES = """
window.sent = [];
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message?.samples) window.sent.push(...message.samples);
  return post.call(this, message, ...rest);
};
"""

BAR = """bar => {
  const cell = bar.parentElement;
  const { paddingLeft, paddingRight } = getComputedStyle(cell);
  const whole = cell.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  return [parseFloat(getComputedStyle(bar).marginLeft), bar.getBoundingClientRect().width, whole];
}"""


@pytest.fixture
async def page(gateway: RunningGateway) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=False
        )
        opened = await browser.new_page()
        failures: list[str] = []
        opened.on("pageerror", lambda error: failures.append(str(error)))
        await opened.add_init_script(RECORD_WORKLET_MESSAGES)
        await opened.goto(gateway.url)
        yield opened
        await browser.close()
        assert not failures


async def speak(page: Page, text: str, seed: int = 7) -> None:
    await page.get_by_label("Text").fill(text)
    await page.get_by_label("Voice").select_option("none")
    await page.get_by_label("Seed").fill(str(seed))
    await page.get_by_role("button", name="Speak").click()


async def test_worklet_gets_the_samples_of_grpc(page: Page, chain: Chain) -> None:
    await speak(page, TEXT)
    await expect(page.locator("#stages")).to_be_visible(timeout=60_000)
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=120_000)
    async with AsyncClient(chain.address) as client:
        expected = (await client.synthesize(TEXT, seed=7, voice="none").read()).samples()
    sent = np.array(await page.evaluate("window.sent"), np.float32)
    np.testing.assert_array_equal(sent, expected)
    assert (await page.locator("#first-audio").inner_text()).endswith(" ms")


async def test_timeline_shows_the_times_of_the_server(page: Page) -> None:
    finished: list[dict[str, Any]] = []
    page.on("websocket", lambda socket: socket.on("framereceived", partial(keep, finished)))
    await speak(page, TEXT)
    await expect(page.get_by_role("table", name="Timeline")).to_be_visible(timeout=60_000)
    (stages,) = [message["finished"]["stages"] for message in finished]
    end_ms = max(stage["last_output_ms"] for stage in stages)
    rows = page.locator("#stages tbody tr")
    assert await rows.locator("th").all_inner_texts() == ["semantic", "coarse", "fine", "codec"]
    for row, stage in zip(await rows.all(), stages, strict=True):
        first_ms, last_ms = stage["first_output_ms"], stage["last_output_ms"]
        first, _, last, _ = (await row.get_by_role("cell").last.inner_text()).split()
        assert [float(first), float(last)] == pytest.approx(
            [first_ms / 1000, last_ms / 1000], abs=0.006
        )
        left, width, whole = await row.locator(".bar").evaluate(BAR)
        assert left / whole == pytest.approx(first_ms / end_ms, abs=0.01)
        assert width / whole == pytest.approx((last_ms - first_ms) / end_ms, abs=0.02)


def keep(messages: list[dict[str, Any]], frame: str | bytes) -> None:
    """Keep a message of the WebSocket if it is the final one."""
    if isinstance(frame, str) and '"finished"' in frame:
        messages.append(json.loads(frame))


async def test_words_are_marked_as_they_are_spoken(page: Page) -> None:
    await speak(page, TEXT)
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=120_000)
    spoken = await page.locator("#words span.spoken").all_inner_texts()
    assert spoken == ["Hello", "there", "How", "are", "you", "today"]
    assert await page.locator("#words").inner_text() == TEXT


async def test_stop_frees_the_slots(page: Page, chain: Chain) -> None:
    await speak(page, LONG)
    await expect(page.locator("#first-audio")).to_contain_text("ms", timeout=60_000)
    assert chain.services["orchestrator"].load().streams == 1
    await page.get_by_role("button", name="Stop").click()
    await until(lambda: not any(service.load().streams for service in chain.services.values()))
    await expect(page.get_by_role("button", name="Stop")).to_be_disabled()


async def test_error_is_shown_and_the_page_recovers(page: Page) -> None:
    await speak(page, "...")
    await expect(page.get_by_role("alert")).to_contain_text("nothing to speak", timeout=30_000)
    await speak(page, TEXT)
    await expect(page.get_by_role("alert")).to_be_hidden()
    await expect(page.locator("#stages")).to_be_visible(timeout=60_000)


async def test_download_has_the_samples_that_were_played(
    page: Page, chain: Chain, tmp_path: Path
) -> None:
    await speak(page, TEXT)
    await expect(page.locator("#stages")).to_be_visible(timeout=60_000)
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="WAV").click()
    await (await waiting.value).save_as(tmp_path / "speech.wav")
    sent = np.array(await page.evaluate("window.sent"), np.float32)
    pcm = np.frombuffer((tmp_path / "speech.wav").read_bytes()[44:], "<i2")
    np.testing.assert_array_equal(pcm / np.float32(32768), sent)


async def test_speed_is_spoken_and_shown_in_the_snippet(page: Page, chain: Chain) -> None:
    await page.get_by_label("Speed").fill("1.5")
    await speak(page, TEXT)
    await expect(page.locator("#stages")).to_be_visible(timeout=60_000)
    async with AsyncClient(chain.address) as client:
        speech = client.synthesize(TEXT, seed=7, voice="none", speaking_rate=1.5)
        expected = (await speech.read()).samples()
    sent = np.array(await page.evaluate("window.sent"), np.float32)
    np.testing.assert_array_equal(sent, expected)
    assert '"speed":1.5' in await page.locator("#snippet").inner_text()


async def test_snippets_follow_the_form(page: Page, gateway: RunningGateway) -> None:
    await page.get_by_label("Text").fill("It's me.")
    await page.get_by_label("Seed").fill("9")
    snippet = await page.locator("#snippet").inner_text()
    assert snippet.startswith(f"curl {gateway.url}/v1/audio/speech")
    assert '"seed":9' in snippet
    await page.get_by_role("tab", name="Go").click()
    assert (await page.locator("#snippet").inner_text()).startswith("package main")
