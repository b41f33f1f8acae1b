"""A real browser without a window, on pages that were made by midigen: what a reader does and has.

Needs playwright and axe, of the extra `browser`, and a Chromium or Chrome that is installed.
"""

import os
import shutil

import pytest

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
ELSEWHERE = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# the page's audio elements are in no document: tests have them from here, and what its policy has
# refused
WATCH = """
window.watched = { audio: [], refused: [] };
window.Audio = new Proxy(Audio, {
  construct(target, given) {
    const made = new target(...given);
    watched.audio.push(made);
    return made;
  },
});
addEventListener("securitypolicyviolation", (e) => watched.refused.push(e.effectiveDirective));
"""


def find_browser():
    found = [path for path in map(shutil.which, NAMES) if path]
    return found[0] if found else ELSEWHERE if os.path.exists(ELSEWHERE) else None


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright and axe: pip install '.[browser]'"
    )
    path = find_browser()
    if not path:
        pytest.skip(f"needs a browser, one of {', '.join(NAMES)}, in the search path")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """visit(path, width, ...) opens a file in a browser of its own, and gives the page.

    What went wrong there, and what it asked for beside itself, ends the test when it is over.
    """
    faults, contexts = [], []

    def visit(path, width=1280, height=800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_offline(True)
        context.add_init_script(WATCH)
        contexts.append(context)
        page = context.new_page()
        own = path.as_uri()
        page.on("console", lambda said: faults.append(f"console: {said.type} {said.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                request.url.partition("#")[0] == own
                or request.url.startswith("blob:null/")
                or faults.append(f"request: {request.url[:200]}")
            ),
        )
        page.goto(own)
        page.faults = faults
        return page

    yield visit
    for context in contexts:
        context.close()
    assert faults == []
