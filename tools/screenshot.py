"""Takes the picture of the web page that docs/http.md shows. Needs Chromium and a quiet machine.

barkserve up -- python -m tools.screenshot [URL]
"""

import asyncio
import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.async_api import async_playwright, expect

_FILE = Path(__file__).parents[1] / "docs/page.png"
_COLORS = 64  # keeps the file small
_FLAGS = ("--autoplay-policy=no-user-gesture-required",)


async def main(url: str = "http://127.0.0.1:8080") -> None:
    """Speak the page's own text and take the picture after the last word."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=_FLAGS
        )
        page = await browser.new_page(viewport={"width": 780, "height": 720})
        await page.goto(url)
        await page.get_by_label("Voice").select_option("v2/slt")
        await page.get_by_label("Seed").fill("7")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#stages")).to_be_visible(timeout=120_000)
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=120_000)
        picture = await page.screenshot(full_page=True)
        await browser.close()
    Image.open(BytesIO(picture)).quantize(_COLORS).save(_FILE, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
