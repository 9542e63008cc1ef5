"""What the tests of the watch page share: a shop, a run that is watched, a browser that looks on."""

import atexit
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

from playwright.sync_api import Error, expect, sync_playwright

HERE = pathlib.Path(__file__).parent
SIZE = {"width": 1280, "height": 800}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Seconds since 1970 at which a page's own clock begins.
START = 1_800_000_000
SHOTS = os.environ.get("AURORE_SCREENSHOTS")

expect.set_options(timeout=60_000)


class Shop:
    """Pages over loopback that write down what was done on them."""

    def __init__(self):
        log = self.log = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *given):
                super().__init__(*given, directory=HERE / "shop")

            def do_POST(self):
                log.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


class Run:
    """`aurore agent --watch` with a script, or the embedded model without one."""

    def __init__(self, goal, address, steps, *more):
        home = pathlib.Path(os.environ["AURORE_HOME"])
        command = [os.environ["AURORE"], "agent", goal, "--browser", address]
        if steps is not None:
            (home / "script.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
            command += ["--script", "script.jsonl"]
        self.program = subprocess.Popen(
            [*command, "--watch", "--json", *more],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=home,
            text=True,
        )
        # A test that fails leaves nothing behind.
        atexit.register(self.program.kill)
        self.lines = []
        first = json.loads(self.program.stdout.readline())
        assert first["event"] == "watch", first
        self.link, self.address = first["page"], first["address"]
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.program.stdout:
            self.lines.append(json.loads(line))

    def steps(self):
        return [line["step"] for line in self.lines if line["event"] == "step"]

    def end(self):
        """Waits for the program to end, which it does when nobody looks on any more."""
        code = self.program.wait(timeout=120)
        self.reader.join()
        return code, self.lines[-1]["outcome"]["end"]["kind"]

    def journal(self):
        """All records of the run, from the program."""
        said = subprocess.run(
            [os.environ["AURORE"], "replay", "last", "--json"], capture_output=True, text=True, check=True
        )
        whole = subprocess.run([os.environ["AURORE"], "replay", "last", "--verify"], capture_output=True, text=True)
        assert whole.returncode == 0, whole.stdout
        return [json.loads(line)["record"] for line in said.stdout.splitlines()]


@contextlib.contextmanager
def browser():
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    assert path, "this test needs Chromium: run cargo xtask setup"
    # Chromium refuses its own sandbox to root.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if root else [])
        yield chromium
        chromium.close()


def look_on(chromium, link, clock=False, **options):
    """A page of a browser of its own. What goes wrong in its scripts fails the test. With a clock of its own, its time
    stands still until the test lets it pass."""
    context = chromium.new_context(viewport={"width": 1280, "height": 860}, **options)
    page = context.new_page()
    if clock:
        page.clock.install(time=START)
        page.clock.pause_at(START + 1)
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda message: page.wrong.append(f"{message.text} {message.location}") if message.type == "error" else None)
    page.goto(link)
    return page


def places(chromium, address, names):
    """Where things stand on a page, on a grid of 0 to 1000."""
    page = chromium.new_page(viewport=SIZE)
    page.goto(address)
    found = {}
    for name in names:
        box = page.locator(f"#{name}").bounding_box()
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        found[name] = [round(middle[0] * 1000 / SIZE["width"]), round(middle[1] * 1000 / SIZE["height"])]
    page.close()
    return found


def click(at, **words):
    return {**words, "arguments": {"action": "left_click", "coordinate": at}}


def end(status="success", **words):
    return {**words, "arguments": {"action": "terminate", "status": status}}


def question(page, words):
    """Waits for the card about something."""
    card = page.locator("#answer")
    expect(card.locator(".deed")).to_contain_text(words)
    return card


def answer(page, button):
    """Presses a button of a card until that counts: one whose card has just moved in view takes no press."""
    sent = []
    page.on("request", lambda request: sent.append(request) if "/questions/" in request.url else None)
    until = time.monotonic() + 60
    while not sent:
        assert time.monotonic() < until, page.locator("body").inner_text()
        # Nothing is to be pressed any more where an earlier press did count.
        with contextlib.suppress(Error):
            button.click(timeout=2000)
        page.wait_for_timeout(200)


def beforehand(page, button):
    """Waits for the card before the first step, and presses a button of it."""
    card = page.locator("#answer")
    expect(card.locator("h2")).to_have_text("Before the first step")
    answer(page, card.get_by_role("button", name=button))


def shot(page, name):
    """A picture for the documentation, where one is wanted."""
    if SHOTS:
        page.evaluate("() => scrollTo(0, 0)")
        page.wait_for_timeout(300)
        page.screenshot(path=pathlib.Path(SHOTS) / f"{name}.png")
