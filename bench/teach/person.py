"""A person who shows how parcels are sent, through the doors of the page on which it is recorded."""

import json
import subprocess
import time
import urllib.request

# Where things stand on the page, in pixels of its frame.
TRAYS = {"Oslo": (42, 100), "Lima": (118, 100), "Cairo": (42, 140), "Perth": (118, 140), "Quito": (42, 180)}
SEAL = (122, 183)


class Person:
    """Somebody with a key, who looks at the screen and acts on it."""

    def __init__(self, address, key):
        self.address, self.key = address, key
        self.last, self.frame = 0, None

    def send(self, path, body=None):
        request = urllib.request.Request(
            self.address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait(self, wanted):
        """The next entry that is wanted; what the screen shows meanwhile is seen."""
        while True:
            for entry in self.send(f"/runs/current?after={self.last}")["entries"]:
                self.last = entry["sequence"]
                if entry["event"] == "looked":
                    self.frame = entry["frame"]
                if wanted(entry):
                    return entry
            time.sleep(0.02)

    def click(self, at):
        action = {"kind": "click", "button": "left", "count": 1, "at": {"x": at[0], "y": at[1]}, "modifiers": []}
        number = self.send("/runs/current/hand", {"frame": self.frame, "action": action})["number"]
        done = self.wait(lambda entry: entry["event"] == "hand" and entry["number"] == number)
        assert done["outcome"] == "done", done

    def send_parcel(self):
        """Does once what the goal asks for. The page itself says that it is met."""
        goal = self.wait(lambda entry: entry["event"] == "began")["goal"]
        self.wait(lambda entry: entry["event"] == "mode" and entry["mode"] == "hands")
        self.click(TRAYS[goal.rstrip(".").split()[-1]])
        self.click(SEAL)
        self.wait(lambda entry: entry["event"] == "ended")


def record(aurore, home, page, out, count, environment):
    """Has the person show it so many times. What the program said at its end."""
    made = subprocess.run(
        [aurore, "keys", "make", "person", "--scope", "agent", "--json"],
        cwd=home, env=environment, capture_output=True, text=True, check=True,
    )
    key = json.loads(made.stdout)["key"]
    program = subprocess.Popen(
        [aurore, "record", "--browser", str(page), "--viewport", "160x210", "--seeds", f"0..{count}", "--out", out, "--json"],
        cwd=home, env=environment, stdout=subprocess.PIPE, text=True,
    )
    try:
        person = Person(json.loads(program.stdout.readline())["address"], key)
        for _ in range(count):
            person.send_parcel()
        lines = [json.loads(line) for line in program.stdout]
    finally:
        program.kill()
    assert [line["kept"] for line in lines[:-1]] == [True] * count, lines
    return lines[-1]
