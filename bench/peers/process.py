"""Programs as processes: run to their end, with what they cost, or a reason why not."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

# What a program says about a failure, among much else.
TELLING = re.compile(r"error|fail|not |unknown|invalid|cannot", re.IGNORECASE)


class NotRun(Exception):
    """Why a cell cannot be measured with a tool."""


@dataclass(frozen=True)
class Done:
    """A program that ended well."""

    out: str
    errors: str
    seconds: float
    # Most memory that it had resident at once.
    peak_bytes: int
    # Cores that anything else kept busy meanwhile, on average; none where the system does not say.
    others: float | None


def run(command, limit, **options):
    """Runs a program and gives its output and cost; one that fails or hangs is a reason, not an end."""
    if os.sep in command[0]:
        command = [os.path.abspath(command[0]), *command[1:]]
    # In a folder of its own: some write logs to where they stand.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as folder:
        started, before = time.monotonic(), busy_seconds()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=errors, stdin=subprocess.DEVNULL,
                                       cwd=folder, **options)
        except OSError as error:
            raise NotRun(f"cannot be started: {error.strerror}") from None
        late = threading.Event()

        def end():
            late.set()
            process.kill()

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            # Not `process.wait`: only this gives the memory of this one child.
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            timer.cancel()
        seconds, after = time.monotonic() - started, busy_seconds()
        process.returncode = os.waitstatus_to_exitcode(status)
        if late.is_set():
            raise NotRun(f"no result after {limit} s")
        text, said = (read(file) for file in (out, errors))
        if process.returncode != 0:
            raise NotRun(f"{ended(process.returncode)}: {last_words(said or text)}")
    others = None
    if before is not None and after is not None:
        others = max(0.0, (after - before - usage.ru_utime - usage.ru_stime) / max(seconds, 0.01))
    return Done(text, said, seconds, usage.ru_maxrss * 1024, others)


def read(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def busy_seconds():
    """Processor time that all programs together have used, of all cores."""
    try:
        with open("/proc/stat") as lines:
            numbers = [int(number) for number in lines.readline().split()[1:]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _wait, interrupts, soft = numbers[:7]
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def ended(code):
    return f"exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


def last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if TELLING.search(line)]
    found = (telling or lines or ["no message"])[0]
    return " ".join(without_places(found.split()))[:200]


class Beside:
    """Processes that want the cores while the block runs."""

    # Each ends by itself after an hour at the latest.
    CODE = "import time; end = time.monotonic() + 3600\nwhile time.monotonic() < end: pass"

    def __init__(self, count):
        self.count, self.processes = count, []

    def __enter__(self):
        for _ in range(self.count):
            self.processes.append(subprocess.Popen([sys.executable, "-c", self.CODE]))

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def without_places(command):
    """A command as others can read it: where files lie on this machine says nothing to them."""
    return [os.path.basename(part.rstrip("/")) if os.sep in part else part for part in command]
