"""Takes the picture of the web page that docs/http.md shows. Needs Chromium and a quiet machine.

barkserve up -- python -m tools.screenshot
"""

import asyncio
import os
import shutil
from pathlib import Path

from playwright.async_api import async_playwright, expect

_FILE = Path(__file__).parents[1] / "docs/page.png"
_FLAGS = ("--autoplay-policy=no-user-gesture-required",)


async def main() -> None:
    """Speak the page's own text and take the picture after the last word."""
    url = os.environ.get("BARKSERVE_PAGE", "http://127.0.0.1:8080")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=_FLAGS
        )
        page = await browser.new_page(viewport={"width": 780, "height": 1080})
        await page.goto(url)
        await page.get_by_label("Voice").select_option("v2/slt")
        await page.get_by_label("Seed").fill("7")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#stages")).to_be_visible(timeout=120_000)
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled(timeout=120_000)
        await page.screenshot(path=_FILE)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
