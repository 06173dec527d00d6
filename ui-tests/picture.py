"""Makes the picture of the README from the real thing: JupyterLab, the example, a job that runs.

    python ui-tests/picture.py                  docs/panel.png
    python ui-tests/picture.py --tag            docs/parameters.png: where a cell gets its tag
    python ui-tests/picture.py --kernels        docs/kernels.png: a kernel that is about to be stopped
    python ui-tests/picture.py --pages FOLDER   every page of the job's tab, light and dark, into FOLDER

Needs the extension built, Python's playwright and a Chromium (MLK_CHROMIUM, else /usr/bin/chromium, else Playwright's).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples/digits_ddp.ipynb"
PICTURE = HERE.parent / "docs/panel.png"
TAG = HERE.parent / "docs/parameters.png"
KERNELS = HERE.parent / "docs/kernels.png"
SOON = {"MLK_IDLE_MODE": "enforce", "MLK_IDLE_TTL": "60", "MLK_IDLE_WARN": "50", "MLK_PRICE_PER_HOUR": "2.50"}
PAGES = ("overview", "notebook", "log", "metrics")
LARGEST = 200_000  # bytes: the README is read over slow lines too
START_S = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="take every page, light and dark, into FOLDER")
    parser.add_argument("--tag", action="store_true", help="take the notebook with the cell that has the parameters")
    parser.add_argument("--kernels", action="store_true", help="take a kernel that is about to be stopped")
    asked = parser.parse_args()
    folder = asked.pages
    with served(SOON if asked.kernels else {}) as url, opened(url) as page:
        if asked.kernels:
            return save(about_to_be_stopped(page), KERNELS)
        if asked.tag:
            return save(tagged_cell(page), TAG)
        job = submitted(page)
        if folder is None:
            save(beside_the_notebook(page, job), PICTURE)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for name, picture in every_page(page, job):
                save(picture, folder / f"{name}.png")
        stopped(page)


@contextmanager
def served(env: Mapping[str, str]) -> Iterator[str]:
    """A JupyterLab of its own with nothing in it but the example. Gives its address, with the token.

    Args: env: more for its environment; with any, notifications are shown.
    """
    place = Path(tempfile.mkdtemp(prefix="mlk-picture-"))
    (place / "work").mkdir()
    shutil.copy(EXAMPLE, place / "work")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = uuid.uuid4().hex
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.allow_root": True,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": place / "work",
        "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True,
        "LabApp.user_settings_dir": place / "settings",
        "LabApp.workspaces_dir": place / "workspaces",
    }
    settings = place / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": not env}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
        env={**os.environ, "MLK_DATA_DIR": str(place / "data"), **env},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/lab?reset&token={token}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def opened(url: str) -> Iterator[Page]:
    """The page, once JupyterLab stands."""
    browser_path = os.environ.get("MLK_CHROMIUM") or "/usr/bin/chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path if Path(browser_path).exists() else None)
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        for _ in range(START_S):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                page.wait_for_timeout(1000)
        page.goto(url)
        page.wait_for_function("window.jupyterapp?.restored.then(() => true)", timeout=START_S * 1000)
        yield page
        browser.close()


def command(page: Page, name: str, /, **arguments: object) -> None:
    page.evaluate("([name, args]) => jupyterapp.commands.execute(name, args).then(() => null)", [name, arguments])


def submitted(page: Page) -> str:
    """Submits the example through the dialog, as a person does. Gives the id of the job."""
    command(page, "docmanager:open", path=EXAMPLE.name)
    page.get_by_role("button", name="Run as a job", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Workers").fill("2")
    run = dialog.get_by_role("button", name="Run", exact=True)
    page.wait_for_function("document.querySelector('.jp-Dialog')?.innerText.includes('2 processes')")
    run.click(timeout=60_000)
    page.locator(".mlk-JobTab").wait_for(timeout=60_000)
    command(page, "mlk:show-jobs")
    return page.locator(".mlk-JobRow").first.get_attribute("data-job") or ""


def tagged_cell(page: Page) -> bytes:
    """The cell that has the parameters, chosen, and its tag in the right sidebar."""
    page.set_viewport_size({"width": 1000, "height": 420})
    command(page, "docmanager:open", path=EXAMPLE.name)
    command(page, "application:toggle-left-area")
    page.locator(".jp-Notebook .jp-CodeCell", has_text="epochs").first.click()
    command(page, "property-inspector:show-panel")
    page.get_by_text("Common Tools").click()
    page.locator(".jp-CellTags", has_text="parameters").wait_for()
    return page.screenshot()


def about_to_be_stopped(page: Page) -> bytes:
    """The panel with a kernel that somebody forgot, and what is said of it."""
    page.set_viewport_size({"width": 1100, "height": 640})
    command(page, "docmanager:open", path=EXAMPLE.name)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    command(page, "mlk:show-kernels")
    page.locator(".mlk-KernelRow[data-state=warned]").wait_for(timeout=START_S * 1000)
    page.get_by_role("button", name="Why", exact=True).last.wait_for()
    page.wait_for_timeout(1000)  # the toast comes in from the side
    return page.screenshot()


def stopped(page: Page) -> None:
    """Ends the job if it still runs: it would outlive the server, and its folder is about to go."""
    stop = page.locator(".mlk-JobHeader").get_by_role("button", name="Stop")
    if stop.is_visible():
        stop.click()
        page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    page.locator(".mlk-JobHeader .mlk-Phase:is([data-phase=Stopped], [data-phase=Succeeded])").wait_for(
        timeout=START_S * 1000
    )


def beside_the_notebook(page: Page, job: str) -> bytes:
    """Panel, notebook and the tab of its job, while the training cell runs."""
    page.evaluate(
        """([id]) => {
            const tab = [...jupyterapp.shell.widgets('main')].find(widget => widget.id === `mlk-job-${id}`);
            jupyterapp.shell.add(tab, 'main', { mode: 'split-right' });
        }""",
        [job],
    )
    command(page, "mlk:open-job", id=job, page="notebook")
    trained = page.locator(".mlk-LiveNotebook [data-mlk-state=running]", has_text="epoch  15")
    trained.wait_for(timeout=START_S * 1000)
    page.wait_for_timeout(500)
    return page.screenshot()


def every_page(page: Page, job: str) -> Iterator[tuple[str, bytes]]:
    """Each page of the tab after the end of the job, in both themes."""
    page.locator(".mlk-JobHeader .mlk-Phase[data-phase=Succeeded]").wait_for(timeout=START_S * 1000)
    for theme in ("Light", "Dark"):
        command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_function("dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg=theme == "Dark")
        for name in PAGES:
            command(page, "mlk:open-job", id=job, page=name)
            page.wait_for_timeout(3000)  # charts, cells and the tracking server come a little later
            yield f"{name}-{theme.lower()}", page.screenshot()


def save(picture: bytes, path: Path) -> None:
    """Writes a picture with few colours: a screen has no more, and the file is a third of the size.

    Raises: SystemExit when it is too large for a README.
    """
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{path} has {size:,} bytes; more than {LARGEST:,} are too many for a README.")


if __name__ == "__main__":
    main()
