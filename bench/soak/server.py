"""The server as a process that is started again and again."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile

from jobs import Wrong


class Server:
    def __init__(self, program, model, memory, port=0):
        self.command = [program, "serve", "--json", "--no-auth", "--model", model, "--memory", str(memory),
                        "--patience", "5"]
        self.port = port
        # Kept over restarts, and thrown away at the end.
        self.home = tempfile.TemporaryDirectory()
        self.errors = tempfile.TemporaryFile()

    def start(self):
        environment = {**os.environ, "AURORE_HOME": self.home.name}
        self.process = subprocess.Popen([*self.command, "--port", str(self.port)], stdout=subprocess.PIPE,
                                        stderr=self.errors, stdin=subprocess.DEVNULL, env=environment)
        line = self.process.stdout.readline()
        if not line:
            raise Wrong(f"the server did not start: {self.said()}")
        # The same port again, so that clients find it.
        self.port = int(json.loads(line)["address"].rsplit(":", 1)[1])

    def stop(self):
        """Asks it to end; how it must end."""
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.stdout.read()
        code = self.process.wait()
        if code != 0 or b'"ended"' not in rest:
            raise Wrong(f"the server ended with {code}: {rest.decode()}{self.said()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-2000:]

    def resident(self):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def processor_seconds(self):
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
