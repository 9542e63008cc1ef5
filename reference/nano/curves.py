"""The loss over the whole training, as SVG: `python reference/nano/curves.py OUT RUN [RUN ...]`, the runs in their order.

Reads each run's log.jsonl. Means over 50 steps, as learnt (questions and actions, with the weights of the moment), and
the held-back steps' loss where it was taken (with the weights that a checkpoint has).
"""

import json
import math
import pathlib
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 320, 52, 40, 28
LOSSES = [0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0]
WINDOW = 50


def read(folders):
    """Points of (samples seen, loss) of the two curves, and where each run begins."""
    seen, learnt, held, begins = 0, [], [], []
    for folder in map(pathlib.Path, folders):
        begins.append((seen, folder.name))
        window = []
        for line in (folder / "log.jsonl").open():
            line = json.loads(line)
            if line["kind"] == "step":
                seen += line["samples"]
                window.append(line.get("plain") or line["loss"])
                if len(window) == WINDOW:
                    learnt.append((seen, sum(window) / WINDOW))
                    window = []
            elif line["kind"] == "evaluation":
                held.append((seen, line["loss"]))
    return seen, learnt, held, begins


def draw(seen, learnt, held, begins):
    low, high = math.log(LOSSES[0]), math.log(LOSSES[-1])
    x = lambda samples: LEFT + (WIDTH - LEFT - 12) * samples / seen
    y = lambda loss: TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log(min(max(loss, LOSSES[0]), LOSSES[-1]))) / (high - low)
    line = lambda points: " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="11" role="img" aria-label="Loss of nano 1 over its training">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for loss in LOSSES:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#e4e4e8"/>'
                     f'<text x="{LEFT - 6}" y="{y(loss) + 4:.1f}" text-anchor="end" fill="#555">{loss:g}</text>')
    for samples, name in begins:
        parts.append(f'<line x1="{x(samples):.1f}" x2="{x(samples):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#ccd" '
                     f'stroke-dasharray="2 3"/><text x="{x(samples) + 2:.1f}" y="{HEIGHT - BOTTOM + 13}" fill="#889">{name}</text>')
    parts.append(f'<polyline points="{line(learnt)}" fill="none" stroke="#3563c9" stroke-width="1.5"/>')
    parts.append(f'<polyline points="{line(held)}" fill="none" stroke="#c4551d" stroke-width="1.5"/>')
    parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2" fill="#c4551d"/>' for a, b in held]
    parts.append(f'<text x="{LEFT}" y="16" fill="#3563c9">nats a token while learning (means of {WINDOW} steps)</text>'
                 f'<text x="{LEFT + 290}" y="16" fill="#c4551d">on held-back steps</text>'
                 f'<text x="{WIDTH - 12}" y="{HEIGHT - 8}" text-anchor="end" fill="#555">{seen:,} samples seen</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(draw(*read(sys.argv[2:])))
