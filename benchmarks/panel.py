"""The panel in a browser: how soon it shows jobs, how it scrolls, how soon it shows what is new."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright

_DEBIAN_CHROMIUM = "/usr/bin/chromium"
_LIMIT_MS = 120_000

# Milliseconds until a row is there and was painted, from the command that shows the panel.
_OPEN = """
() => new Promise(resolve => {
    const started = performance.now();
    const seen = () => document.querySelector('.mlk-JobRow')?.offsetParent
        ? requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - started)))
        : requestAnimationFrame(seen);
    jupyterapp.commands.execute('mlk:show-jobs').then(seen);
})
"""
# Milliseconds between frames while the list scrolls by half a screen in each.
_SCROLL = """
frames => new Promise(resolve => {
    const list = document.querySelector('.mlk-JobList');
    const found = [];
    let before = performance.now();
    const step = now => {
        found.push(now - before);
        before = now;
        list.scrollTop += list.clientHeight / 2;
        found.length > frames ? resolve(found.slice(1)) : requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})
"""
# Notes when the reason in a row changes, in seconds since the epoch.
_OBSERVE = """
job => {
    const list = document.querySelector('.mlk-JobList');
    const text = () => list.querySelector(`[data-job="${job}"] .mlk-JobRow-reason`)?.textContent;
    const before = text();
    window.mlkChanged = null;
    const observer = new MutationObserver(() => {
        if (text() !== undefined && text() !== before) {
            window.mlkChanged = Date.now() / 1000;
            observer.disconnect();
        }
    });
    observer.observe(list, { subtree: true, childList: true, characterData: true });
    return before ?? null;
}
"""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """The page, once JupyterLab stands, with the panel closed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_chromium())
        try:
            page = await browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(_LIMIT_MS)
            await page.goto(url)
            await page.wait_for_function("window.jupyterapp?.restored.then(() => true)")
            yield page
        finally:
            await browser.close()


def _chromium() -> str | None:
    """The browser: the one that is named, else Debian's, else (None) Playwright's own."""
    return os.environ.get("MLK_CHROMIUM") or (_DEBIAN_CHROMIUM if Path(_DEBIAN_CHROMIUM).exists() else None)


async def show(page: Page) -> float:
    """Opens the panel; milliseconds until jobs are painted."""
    return float(await page.evaluate(_OPEN))


async def hide(page: Page) -> None:
    await page.evaluate("() => jupyterapp.shell.activateById('filebrowser')")
    await page.locator(".mlk-Panel").wait_for(state="hidden")


async def scroll(page: Page, frames: int = 300) -> list[float]:
    """Milliseconds of each frame while the list scrolls."""
    found: list[float] = await page.evaluate(_SCROLL, frames)
    await page.evaluate("() => { document.querySelector('.mlk-JobList').scrollTop = 0; }")
    return found


async def first_rows(page: Page) -> list[str]:
    """The jobs in view that have a reason."""
    rows = page.locator(".mlk-JobRow:has(.mlk-JobRow-reason)")
    await rows.first.wait_for()
    return [await row.get_attribute("data-job") or "" for row in await rows.all()]


async def until_changed(page: Page, job: str, change: Callable[[str], Awaitable[float]]) -> float:
    """Milliseconds from a change of a job in the cluster, which tells when it was, to its being in the page."""
    await page.evaluate(_OBSERVE, job)
    at = await change(job)
    handle = await page.wait_for_function("() => window.mlkChanged")
    return (float(await handle.json_value()) - at) * 1000
