"""Success rates of a checkpoint: `python -m train.evaluate FOLDER [--tasks a,b] [--seeds FIRST..LAST] [--json]`.

Decodes greedily with the official implementation, executes what the model says as real input events, and reads the
reward that the page computes. It stands in for `aurore eval miniwob` while training runs.
"""

import argparse
import collections
import json
import re

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Qwen3_5MoeForConditionalGeneration

from train import model as nano
from train import texts
from train.browser import HEIGHT, WIDTH, Grid
from train.data import MIX
from train.episodes import resized

STEPS = 4
ACTION = re.compile(r"<parameter=action>\n(\w+)\n</parameter>")
POINT = re.compile(r"<parameter=coordinate>\n\[(\d+), (\d+)\]\n</parameter>")
TEXT = re.compile(r"<parameter=text>\n(.*?)\n</parameter>", re.S)


class Nano:
    def __init__(self, folder):
        torch.set_num_threads(1)
        self.model = Qwen3_5MoeForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
        self.end = self.tokenizer.token_to_id("<|im_end|>")

    @torch.no_grad()
    def answers(self, prompts, frames):
        """`frames` [N, 224, 160, 3] u8; rows whose prompts are equally long are decoded together."""
        ids = [self.tokenizer.encode(prompt).ids for prompt in prompts]
        groups = collections.defaultdict(list)
        for row, tokens in enumerate(ids):
            groups[len(tokens)].append(row)
        out = [""] * len(prompts)
        for rows in groups.values():
            tokens = torch.tensor([ids[row] for row in rows])
            pixels = nano.official_pixels(nano.patches(torch.from_numpy(frames[rows])))
            made = self.model.generate(
                input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values=pixels,
                image_grid_thw=torch.tensor([nano.GRID] * len(rows)),
                mm_token_type_ids=(tokens == self.model.config.image_token_id).long(), do_sample=False, max_new_tokens=96)
            for row, answer in zip(rows, made[:, tokens.shape[1]:].tolist()):
                end = answer.index(self.end) if self.end in answer else len(answer)
                out[row] = self.tokenizer.decode(answer[:end], skip_special_tokens=False)
        return out


def perform(grid, cell, answer):
    """Carries out one answer; returns the action's name, or None where there is no valid one."""
    action, point, text = ACTION.search(answer), POINT.search(answer), TEXT.search(answer)
    if action and action[1] == "left_click" and point:
        x, y = int(point[1]) * WIDTH / 1000, int(point[2]) * HEIGHT / 1000
        grid.click(cell, min(x, WIDTH - 0.5), min(y, HEIGHT - 0.5))
        return "left_click"
    if action and action[1] == "type" and text:
        grid.type(cell, text[1])
        return "type"
    return None


def run(nano_model, grid, task, seeds, keep=None):
    """The list of rewards, one per seed."""
    rewards = []
    for first in range(0, len(seeds), grid.size):
        part = seeds[first:first + grid.size]
        goals = grid.start(task, [*part, *range(grid.size - len(part))])[:len(part)]
        done = [[] for _ in part]
        open_cells = list(range(len(part)))
        result = [0] * len(part)
        for _ in range(STEPS if task == "enter-text" else 1):
            frames = np.stack([resized(frame) for frame in grid.frames()[open_cells]])
            answers = nano_model.answers([texts.prompt(goals[cell], done[cell]) for cell in open_cells], frames)
            for cell, answer in zip(open_cells, answers):
                done[cell].append(perform(grid, cell, answer))
                if keep is not None:
                    keep.append((task, part[cell], answer))
            now = grid.rewards()
            result = [before or after for before, after in zip(result, now)]
            open_cells = [cell for cell in open_cells if not result[cell] and done[cell][-1]]
            if not open_cells:
                break
        rewards += result
    return rewards


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tasks", default=",".join(MIX))
    parser.add_argument("--seeds", default="1000000..1000049")
    parser.add_argument("--show", type=int, default=0, help="answers to print per task")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split(".."))
    model, grid = Nano(args.folder), Grid(10, 5)
    for task in args.tasks.split(","):
        keep = []
        rewards = run(model, grid, task, list(range(first, last + 1)), keep)
        rate = sum(reward > 0 for reward in rewards) / len(rewards)
        if args.json:
            print(json.dumps({"task": task, "episodes": len(rewards), "success_rate": rate, "seeds": args.seeds}), flush=True)
        else:
            print(f"{task:16} {100 * rate:5.1f} %  of {len(rewards)}", flush=True)
        for _, seed, answer in keep[:args.show]:
            print(f"    {seed} {rewards[seed - first]:+.0f} {answer!r}")
    grid.close()


if __name__ == "__main__":
    main()
