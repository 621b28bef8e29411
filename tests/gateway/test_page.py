"""The web page, in headless Chromium."""

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright, expect

from barkclient import AsyncClient
from tests.languages.go import GO, go, run
from tests.support.fakes import until
from tests.support.gateway import RunningGateway
from tests.support.services import Chain

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is missing: make test-clients installs it"
)

TEXT = "Hello there. How are you today?"
LONG = "Hello there. How are you today? " * 500
OTHER_HOST = "speech.test"
AA_CONTRAST = 4.5
FLAGS = (
    f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1",
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

COLORS = """() => Object.fromEntries(
  ["page", "text", "muted", "accent", "on-accent", "error"].map((name) =>
    [name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()]))"""

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


@pytest.mark.parametrize("send", ["at once", "word by word"])
async def test_words_are_marked_as_they_are_spoken(page: Page, send: str) -> None:
    await page.get_by_label("Send").select_option(send)
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


async def run_snippet(language: str, program: str, folder: Path) -> None:
    """Run a snippet of the page, which writes speech.wav."""
    environment = {"BARKCLIENT_TOKEN": "any"}
    if language == "Go":
        (folder / "main.go").write_text(program)
        await go("build", "-o", str(folder / "main"), str(folder / "main.go"))
        await run(folder / "main", cwd=folder, **environment)
        return
    (folder / "snippet.mjs").write_text(program)
    words = {
        "curl": ("sh", "-ec", program.replace("curl ", "curl -sS ", 1)),
        "Python (OpenAI)": (sys.executable, "-c", program),
        "Node.js": ("node", "snippet.mjs"),
    }
    await run(*words[language], cwd=folder, **environment)


@pytest.mark.parametrize(
    ("language", "tool"),
    [("curl", "curl"), ("Python (OpenAI)", sys.executable), ("Node.js", "node"), ("Go", GO)],
)
async def test_snippet_speaks_what_the_page_speaks(
    page: Page, chain: Chain, tmp_path: Path, language: str, tool: str
) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{language} is missing")
    text = 'It\'s me. "Hello" `there`.\nHow are you?'
    await page.get_by_label("Text").fill(text)
    await page.get_by_label("Voice").select_option("none")
    await page.get_by_label("Seed").fill("9")
    await page.get_by_label("Speed").fill("1.5")
    await page.get_by_label("Token").fill("secret")
    await page.get_by_role("tab", name=language).click()
    program = await page.locator("#snippet").inner_text()
    assert "BARKCLIENT_TOKEN" in program
    assert "secret" not in program
    await run_snippet(language, program, tmp_path)
    async with AsyncClient(chain.address) as client:
        speech = client.synthesize(text, seed=9, voice="none", speaking_rate=1.5)
        expected = (await speech.read()).audio
    assert (tmp_path / "speech.wav").read_bytes()[44:] == expected


async def test_keyboard_alone_speaks_stops_and_chooses(page: Page, chain: Chain) -> None:
    await page.get_by_label("Text").fill(LONG)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#first-audio")).to_contain_text("ms", timeout=60_000)
    for _ in range(7):  # four other fields, Token, Speak, Stop
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Stop")).to_be_focused()
    await page.keyboard.press("Enter")
    await until(lambda: not any(service.load().streams for service in chain.services.values()))
    await page.get_by_role("tab", name="curl").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tab", name="Go")).to_be_focused()
    assert (await page.locator("#snippet").inner_text()).startswith("package main")


async def test_page_fits_a_phone_and_has_contrast_in_the_dark(page: Page) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await speak(page, TEXT)
    await expect(page.locator("#stages")).to_be_visible(timeout=60_000)
    root = "document.documentElement"
    assert await page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    pages = set()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colors = await page.evaluate(COLORS)
        pages.add(colors["page"])
        for name in ("text", "muted", "accent", "error"):
            assert contrast(colors[name], colors["page"]) >= AA_CONTRAST, (scheme, name)
        assert contrast(colors["on-accent"], colors["accent"]) >= AA_CONTRAST
    assert len(pages) == 2


def contrast(color: str, other: str) -> float:
    """The contrast of two colors, #rgb or #rrggbb, by the formula of WCAG 2."""
    darker, lighter = sorted(map(luminance, (color, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    digits = color.removeprefix("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else re.findall("..", digits)
    levels = [int(pair, 16) / 255 for pair in pairs]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in levels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


async def test_insecure_page_says_what_it_needs(page: Page, gateway: RunningGateway) -> None:
    await page.goto(gateway.url.replace("127.0.0.1", OTHER_HOST))
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("alert")).to_contain_text("https://")
    await expect(page.get_by_role("button", name="Copy")).to_be_hidden()
