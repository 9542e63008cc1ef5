"""Captures episodes: `python -m train.episodes OUT SAMPLES [--seed FIRST] [--tasks a,b]`.

OUT.frames holds the frames one after the other, each resized to 160x224 as the model's preprocessing does it
and deflated; OUT.jsonl has a line per sample: task, seed, step, goal, box, answer, and the frame's place.
"""

import argparse
import json
import random
import zlib

import numpy as np
from PIL import Image

from train import experts, texts
from train.browser import Grid

# How often a task is drawn: hard ones more, trivial ones less.
WEIGHTS = {
    "click-test": 0.5, "click-test-2": 1.2, "click-dialog": 1.0, "click-dialog-2": 1.2, "focus-text": 0.6, "focus-text-2": 1.0,
    "grid-coordinate": 0.8, "click-tab": 0.6, "click-color": 1.3, "click-widget": 1.5, "identify-shape": 1.5,
    "click-button": 1.2, "enter-text": 1.2,
    "app/cookies": 1.0, "app/dialog": 0.7, "app/colour": 1.2, "app/newsletter": 0.8, "app/tabs": 1.0, "app/checkout": 0.7,
}


def resized(frame):
    """[210, 160, 3] u8 to [224, 160, 3] u8: bicubic with antialias, rounded to bytes after each pass."""
    return np.asarray(Image.fromarray(frame).resize((160, 224), Image.BICUBIC))


def capture(grid, task, seeds, step):
    """Yields (sample, resized frame) for one step of each seed's episode."""
    grid.start(task, seeds)
    for before in range(1, step + 1):
        plans = grid.run(experts.script(task, before))
    if step == 0:
        plans = grid.run(experts.script(task, 0))
    frames = grid.frames()
    for seed, plan, frame in zip(seeds, plans, frames):
        if plan is None:
            continue
        point = plan["point"]
        yield {
            "task": task, "seed": seed, "step": step, "goal": plan["goal"], "done": texts.done_before(task, step),
            "box": [round(v, 2) for v in plan["box"]], "answer": texts.answer(task, step, plan["say"], point),
        }, resized(frame)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("samples", type=int)
    parser.add_argument("--seed", type=int, default=0, help="the first seed of every task")
    parser.add_argument("--tasks", default=",".join(WEIGHTS))
    args = parser.parse_args()
    tasks = args.tasks.split(",")
    grid = Grid()
    rng = random.Random(args.seed)
    next_seed = dict.fromkeys(tasks, args.seed)
    # Whole runs of one task at a time, since changing the task reloads the cells.
    # The first round is short, so that training can begin early.
    made, batches = 0, 5
    with open(args.out + ".frames", "ab") as frames, open(args.out + ".jsonl", "a") as lines:
        offset = frames.tell()
        while made < args.samples:
            for task in rng.sample(tasks, len(tasks)):
                for _ in range(max(1, round(batches * WEIGHTS[task]))):
                    step = rng.randrange(experts.steps(task))
                    first = next_seed[task]
                    next_seed[task] += grid.size
                    for sample, frame in capture(grid, task, range(first, first + grid.size), step):
                        packed = zlib.compress(frame.tobytes(), 1)
                        frames.write(packed)
                        lines.write(json.dumps({**sample, "offset": offset, "length": len(packed)}) + "\n")
                        offset += len(packed)
                        made += 1
                frames.flush()
                lines.flush()
            batches = 15
            print(made, flush=True)
    grid.close()


if __name__ == "__main__":
    main()
