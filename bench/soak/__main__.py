"""Mixed clients at one server for as long as one likes: people who are answered, who go away, who send nonsense, and
restarts among them.

    python bench/soak --aurore target/release/aurore --minutes 30 [--share 0.15]

Fails when an answer is wrong, a stream ends in mid-air or is stuck, a kept response is lost (also over a restart, also
after kill -9) or is another one, one in the background neither ends nor says why, the server ends otherwise than it should, holds something when nobody asks any more, or grows. Restarts
happen in the first half, so that the second shows whether one process grows. With `--minutes` a receipt goes to
bench/receipts/; tests run `--jobs N`, which no clock decides.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "peers"))

from jobs import SHARES, Client, Gone, Kept, Wrong
from server import Server

MEGABYTE = 1_000_000


class Soak:
    def __init__(self, arguments):
        self.arguments = arguments
        self.server = Server(arguments.aurore, arguments.model, arguments.memory)
        self.kept, self.lock = Kept(), threading.Lock()
        self.done, self.wrong = collections.Counter(), []
        self.ending = threading.Event()
        # While it is set clients may find nobody.
        self.restarting = threading.Event()
        self.began, self.used_before = time.monotonic(), 0.0
        self.restarts, self.kills, self.lost, self.resident = 0, 0, 0, []

    def run(self):
        self.server.start()
        workers = [threading.Thread(target=self.work, args=(number,)) for number in range(self.arguments.clients)]
        try:
            for worker in workers:
                worker.start()
            self.watch()
        finally:
            self.ending.set()
            for worker in workers:
                worker.join()
        if not self.wrong:
            self.settle()
            self.server.stop()

    def work(self, number):
        dice = random.Random(self.arguments.seed * 1000 + number)
        names, weights = list(SHARES), list(SHARES.values())
        while not self.ending.is_set():
            client = Client(self.server.port, self.kept, dice.random())
            name = dice.choices(names, weights)[0]
            restarts = self.restarts
            try:
                getattr(client, name)()
                with self.lock:
                    self.done[name] += 1
            except (Gone, OSError, ValueError, http.client.HTTPException) as error:
                # Whoever is served during a restart may be cut off.
                if not self.restarting.is_set() and restarts == self.restarts:
                    self.fail(f"{name}: {type(error).__name__}: {error}")
            except Exception as error:
                self.fail(f"{name}: {error}")
            self.rest()

    def fail(self, what):
        with self.lock:
            self.wrong.append(what)
        self.ending.set()

    def rest(self):
        """Leaves the machine to others."""
        share = self.arguments.share
        while share and not self.ending.is_set() and self.used() > share * (time.monotonic() - self.began):
            self.ending.wait(0.2)

    def used(self):
        own = os.times()
        return self.used_before + self.server.processor_seconds() + own.user + own.system

    def progress(self):
        """From 0 to 1."""
        if self.arguments.jobs:
            return sum(self.done.values()) / self.arguments.jobs
        return (time.monotonic() - self.began) / (60 * self.arguments.minutes)

    def watch(self):
        """Restarts the server in the first half and looks at its size in the second."""
        while not self.ending.wait(0.05):
            progress = self.progress()
            if progress >= 1:
                return
            restarts = self.arguments.restarts + self.arguments.kills
            if self.restarts < min(restarts, progress * 2 * (restarts + 1) - 1):
                self.restart()
            elif progress > 0.5 and len(self.resident) < (progress - 0.5) * 2 * 20:
                self.resident.append(self.server.resident())

    def restart(self):
        self.restarting.set()
        self.used_before += self.server.processor_seconds()
        # Kills and ends in turn, as long as there are both.
        kills = self.kills < self.arguments.kills and (
            self.restarts % 2 == 0 or self.restarts - self.kills >= self.arguments.restarts)
        try:
            if kills:
                self.server.kill()
                self.kills += 1
            else:
                self.server.stop()
            self.server.start()
            self.restarts += 1
            client = Client(self.server.port, self.kept, 0)
            for name in list(self.kept.outputs):
                client.look(name)
            self.look_at_begun(client)
        except (Wrong, OSError) as error:
            self.fail(f"restart: {error}")
        finally:
            self.restarting.clear()

    def look_at_begun(self, client):
        """What was under way in the background: it is there, has ended, and says why it is not whole."""
        for name in list(self.kept.begun):
            reply = client.good("GET", f"/v1/responses/{name}")
            if not reply or reply["status"] == "in_progress":
                # Begun since the restart.
                continue
            client.ended(reply)
            self.lost += reply["status"] == "failed"
            # From now on it stays what it is.
            self.kept.end(name, reply["output"])

    def settle(self):
        """When nobody asks any more: nothing is held, everything kept is there, the size is what it was."""
        client = Client(self.server.port, self.kept, 0)
        deadline = time.monotonic() + 120
        while True:
            lines = client.send("GET", "/metrics")[1].splitlines()
            figures = {line.split()[0]: float(line.split()[1]) for line in lines if line and line[0] != "#"}
            held = {name: figures[f"aurore_{name}"] for name in ("requests_running", "requests_waiting",
                                                                 "reserved_bytes")}
            if not any(held.values()):
                break
            if time.monotonic() > deadline:
                raise Wrong(f"held though nobody asks: {held}")
            time.sleep(0.05)
        for name in list(self.kept.outputs):
            client.look(name)
        self.resident.append(self.server.resident())
        limit = self.arguments.memory * 1e9 + 250 * MEGABYTE
        if self.resident[-1] > limit:
            raise Wrong(f"{self.resident[-1] / MEGABYTE:.0f} MB are resident, more than {limit / MEGABYTE:.0f}")
        # Of a process that has filled its cache by then; only long runs can tell.
        early, late = self.resident[len(self.resident) // 3], self.resident[-1]
        if self.arguments.minutes and late > early * 1.1 + 8 * MEGABYTE:
            raise Wrong(f"it grows: {early / MEGABYTE:.0f} MB, later {late / MEGABYTE:.0f} MB")


def parse():
    parser = argparse.ArgumentParser(prog="python bench/soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", required=True, help="the program")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--memory", type=float, default=0.05, help="gigabytes for conversations")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float)
    length.add_argument("--jobs", type=int)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2, help="restarts after a kill that nothing can prepare for")
    parser.add_argument("--share", type=float, help="most of one core that server and clients may take on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "receipts")
    return parser.parse_args()


def main():
    arguments = parse()
    soak = Soak(arguments)
    try:
        soak.run()
    except Wrong as error:
        soak.wrong.append(str(error))
    finally:
        soak.server.kill()
    result = {
        "jobs": dict(sorted(soak.done.items())), "restarts": soak.restarts, "kills": soak.kills,
        "lost_by_kills": soak.lost, "kept_responses": len(soak.kept.outputs),
        "resident_megabytes": [round(size / MEGABYTE, 1) for size in soak.resident],
        "seconds": round(time.monotonic() - soak.began, 1), "wrong": soak.wrong[:10],
    }
    print(json.dumps(result))
    if arguments.minutes:
        receipt(arguments, soak, result)
    sys.exit(1 if soak.wrong else 0)


def receipt(arguments, soak, result):
    from process import without_places
    from receipt import git, machine, now, write

    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / f"soak-{now()}.json", {
        "what": "mixed clients, cancellations, restarts and broken requests at one server",
        "date": now(), "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        "command": ["python", "bench/soak", *without_places(sys.argv[1:])],
        "machine": machine(), "load_after": os.getloadavg(),
        "processor_share": soak.used() / (time.monotonic() - soak.began), **result,
    })


if __name__ == "__main__":
    main()
