"""A grid of small pages in one headless Chromium, driven over the DevTools protocol.

Each cell is an iframe of 160x210 CSS pixels that shows one episode of the same task. One screenshot gives all
frames at once, which makes capture some hundred times faster than one page after the other. A cell looks the
same as a page of its own (`python -m train.browser` compares them); only the keyboard focus, which a browser
gives to one frame at a time, is imitated with a style class.
"""

import base64
import http.server
import io
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from PIL import Image
from websockets.sync.client import connect

WIDTH, HEIGHT = 160, 210
ROOT = pathlib.Path(__file__).resolve().parents[2]
MINIWOB = pathlib.Path(os.environ.get("MINIWOB_HTML", ROOT / "target/miniwob/miniwob/html"))
APPS = ROOT / "apps"

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
    "--force-device-scale-factor=1", "--disable-dev-shm-usage",
]

# Shown by every cell: a copy of each `:focus` rule under a class of our own, so that a cell without the
# browser's focus looks like a page that has it.
FOCUS_RULES = """
function imitateFocus(d) {
  if (!d.focusRules) {
    d.focusRules = true;
    for (const sheet of Array.from(d.styleSheets)) {
      for (const rule of Array.from(sheet.cssRules)) {
        if (rule.selectorText && rule.selectorText.includes(':focus')) {
          sheet.insertRule(rule.cssText.replace(/:focus(-visible)?/g, '.cell-focus'), sheet.cssRules.length);
        }
      }
    }
    if (!d.querySelector('html').dataset.app) {
      d.styleSheets[0].insertRule('input.cell-focus { outline: -webkit-focus-ring-color auto 1px; }', 0);
    }
  }
  for (const old of d.querySelectorAll('.cell-focus')) old.classList.remove('cell-focus');
  const active = d.activeElement;
  if (active && active !== d.body) active.classList.add('cell-focus');
}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the MiniWoB++ pages, the bundled pages and the grid page over loopback."""

    def translate_path(self, path):
        path = path.split("?")[0]
        for prefix, folder in (("/apps/", APPS), ("/wob/", MINIWOB)):
            if path.startswith(prefix):
                return str(folder / path[len(prefix):])
        return "/nonexistent"

    def do_GET(self):
        if self.path == "/blank":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><style>body{margin:0;background:#fff}"
                             b"iframe{position:absolute;border:0;width:160px;height:210px}</style><body>")
        else:
            super().do_GET()

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def page_url(task):
    """Bundled pages are named `app/NAME`, the others are MiniWoB++ tasks."""
    return f"/apps/{task[4:]}.html" if task.startswith("app/") else f"/wob/miniwob/{task}.html"


# The protocol of an episode, the same in training and evaluation (models/nano/README.md).
START = {
    "app": "aurore.start(SEED); const goal = aurore.goal;",
    # A dialog that takes the focus scrolls a page this narrow, so the scroll is undone.
    "wob": "document.documentElement.style.overflow = 'hidden'; core.EPISODE_MAX_TIME = 1e9;"
           "Math.seedrandom(SEED); core.startEpisodeReal(); scrollTo(0, 0); let goal = core.getUtterance(); goal = goal.utterance ?? goal;",
}


def start_script(task):
    return START["app" if task.startswith("app/") else "wob"]


class Chromium:
    def __init__(self, width, height):
        self.base = serve()
        self.profile = tempfile.mkdtemp(prefix="nano-chromium-")
        path = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
        self.process = subprocess.Popen(
            [path, *FLAGS, f"--user-data-dir={self.profile}", f"--window-size={width},{height}", "about:blank"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            if "DevTools listening on" in line:
                browser = line.split()[-1]
                break
        else:
            raise RuntimeError("Chromium did not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.counter = itertools.count(1)
        self.connection = connect(browser, max_size=None, compression=None)
        self.socket = self.connection.__enter__()
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def call(self, method, **params):
        number = next(self.counter)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:1500])
        return result["result"].get("value")

    def goto(self, path):
        self.call("Page.navigate", url=self.base + path)
        while not self.evaluate("document.readyState === 'complete' && location.href !== 'about:blank'"):
            time.sleep(0.02)

    def screenshot(self):
        data = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=True)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def close(self):
        self.connection.__exit__(None, None, None)
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Grid:
    """`columns` x `rows` cells, all showing the same task."""

    def __init__(self, columns=10, rows=8):
        self.columns, self.rows = columns, rows
        self.size = columns * rows
        self.chromium = Chromium(columns * WIDTH, rows * HEIGHT)
        self.task = None

    def open(self, task):
        if self.task == task:
            return
        self.task = task
        self.chromium.goto("/blank")
        self.chromium.evaluate(f"""(async () => {{
          {FOCUS_RULES}
          window.imitateFocus = imitateFocus;
          window.cells = [];
          const loads = [];
          for (let i = 0; i < {self.size}; i++) {{
            const frame = document.createElement('iframe');
            frame.style.left = (i % {self.columns}) * {WIDTH} + 'px';
            frame.style.top = Math.floor(i / {self.columns}) * {HEIGHT} + 'px';
            frame.src = '{page_url(task)}';
            loads.push(new Promise((done) => frame.onload = done));
            document.body.append(frame);
            cells.push(frame.contentWindow);
          }}
          await Promise.all(loads);
          cells = Array.from(document.querySelectorAll('iframe')).map((frame) => frame.contentWindow);
        }})()""")

    def run(self, script):
        """Evaluates the body of `function (index)` inside every cell; returns the list of results."""
        return self.chromium.evaluate(f"""(async () => {{
          const body = {json.dumps(script)};
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const results = cells.map((cell, index) =>
            cell.eval('(function (index) {{' + body + '\\n}})')(index));
          cells.forEach((cell) => imitateFocus(cell.document));
          await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          return results;
        }})()""")

    def start(self, task, seeds):
        """Starts one episode per cell; returns the goals."""
        self.open(task)
        self.chromium.mouse("mouseMoved", self.columns * WIDTH - 1, self.rows * HEIGHT - 1)
        script = start_script(task).replace("SEED", "seed")
        return self.run(f"const seed = {json.dumps(list(seeds))}[index]; document.activeElement?.blur(); {script} return goal;")

    def frames(self):
        """[cells, 210, 160, 3] u8"""
        shot = self.chromium.screenshot()
        grid = shot.reshape(self.rows, HEIGHT, self.columns, WIDTH, 3)
        return grid.transpose(0, 2, 1, 3, 4).reshape(self.size, HEIGHT, WIDTH, 3)

    def origin(self, cell):
        return (cell % self.columns) * WIDTH, (cell // self.columns) * HEIGHT

    def click(self, cell, x, y):
        left, top = self.origin(cell)
        self.chromium.click(left + min(max(x, 0), WIDTH - 1), top + min(max(y, 0), HEIGHT - 1))

    def type(self, cell, text):
        """Types into what has the focus in this cell, where anything has."""
        if self.run("const e = document.activeElement; return Boolean(e && 'value' in e);")[cell]:
            self.chromium.evaluate(f"cells[{cell}].document.activeElement.focus()")
            self.chromium.type(text)

    def rewards(self):
        if self.task.startswith("app/"):
            return self.run("return aurore.reward;")
        return self.run("return WOB_DONE_GLOBAL ? WOB_RAW_REWARD_GLOBAL : 0;")

    def close(self):
        self.chromium.close()


def single(chromium, task, seed):
    """One episode as evaluation sees it: a page of its own in a viewport of 160x210."""
    chromium.goto(page_url(task))
    script = start_script(task).replace("SEED", str(seed))
    goal = chromium.evaluate(f"(() => {{ {script} return goal; }})()")
    chromium.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return goal, chromium.screenshot()


def main():
    """Compares cells of the grid with pages of their own, pixel by pixel."""
    from train.experts import TASKS
    grid, page = Grid(4, 2), Chromium(WIDTH, HEIGHT)
    for task in sys.argv[1:] or TASKS:
        grid.start(task, [random.randrange(1000) for _ in range(grid.size)])
        seeds = list(range(500, 500 + grid.size))
        goals = grid.start(task, seeds)
        frames = grid.frames()
        worst = 0
        for seed, goal, frame in zip(seeds, goals, frames):
            other_goal, other = single(page, task, seed)
            different = int((frame.astype(int) != other.astype(int)).any(-1).sum())
            worst = max(worst, different)
            if goal != other_goal:
                print(task, seed, "GOALS DIFFER", goal, other_goal)
            if different:
                Image.fromarray(np.hstack([frame, other])).save(f"differ-{task.replace('/', '-')}.png")
        print(f"{task:16} pixels that differ, worst of {grid.size}: {worst}", flush=True)
    grid.close()
    page.close()


if __name__ == "__main__":
    main()
