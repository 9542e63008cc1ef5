"""Captured samples as batches: frames, tokens, and a weight for each predicted token."""

import json
import random
import re
import zlib

import numpy as np
import torch

from train import texts
from train.model import patches

# How often a task is drawn. These are the weights of the last part of the run: in the first part tasks were drawn about
# equally; then those that nano had learned gave way to those that need a finer aim.
MIX = {
    "click-test": 0.5, "click-test-2": 0.1, "click-dialog": 1.3, "click-dialog-2": 1.2, "focus-text": 1.4, "focus-text-2": 1.4,
    "grid-coordinate": 0.3, "click-tab": 0.2, "click-color": 0.5, "click-widget": 0.3, "identify-shape": 0.3,
    "click-button": 0.0, "enter-text": 0.2,
    "app/cookies": 0.9, "app/dialog": 1.3, "app/colour": 0.5, "app/newsletter": 0.8, "app/tabs": 0.8, "app/checkout": 0.4,
}
# Weights of a coordinate's digits in the loss: hundreds and tens say where, ones hardly matter.
DIGITS = (4.0, 3.0, 0.5, 0.5)


POINT = re.compile(r"\[(\d+), (\d+)\]")


def target(answer):
    """(image token 0..34, 5 in a row, and the point in 0..1) of an answer; None where it has no point."""
    point = POINT.search(answer)
    if not point:
        return None
    x, y = int(point[1]) / 1000, int(point[2]) / 1000
    return min(6, int(y * 7)) * 5 + min(4, int(x * 5)), (x, y)


class Samples:
    def __init__(self, paths, tokenizer, mix=MIX):
        self.tokenizer = tokenizer
        self.tasks = {}
        self.files = []
        for path in paths:
            self.files.append(np.memmap(path + ".frames", np.uint8, "r"))
            for line in open(path + ".jsonl"):
                if not line.endswith("\n"):
                    continue
                sample = json.loads(line)
                sample["file"] = len(self.files) - 1
                if sample["offset"] + sample["length"] <= len(self.files[-1]) and mix.get(sample["task"]):
                    self.tasks.setdefault(sample["task"], []).append(sample)
        self.names = list(self.tasks)
        self.weights = [mix[name] for name in self.names]

    def __len__(self):
        return sum(map(len, self.tasks.values()))

    def frame(self, sample):
        """[224, 160, 3] u8"""
        start = sample["offset"]
        packed = self.files[sample["file"]][start:start + sample["length"]].tobytes()
        return np.frombuffer(zlib.decompress(packed), np.uint8).reshape(224, 160, 3)

    def tokens(self, sample):
        """(prompt ids, answer ids with the end token, weights of the answer's tokens)"""
        if "ids" not in sample:
            prompt = self.tokenizer.encode(texts.prompt(sample["goal"], sample["done"])).ids
            answer = self.tokenizer.encode(sample["answer"] + "<|im_end|>")
            weights, digit, inside = [], 0, False
            for token in answer.tokens:
                if token.endswith("["):
                    inside, digit = True, 0
                elif token.startswith("]"):
                    inside = False
                elif inside and token.isdigit():
                    weights.append(DIGITS[digit])
                    digit += 1
                    continue
                elif inside:
                    digit = 0
                weights.append(1.0)
            sample["ids"] = prompt, answer.ids, weights
        return sample["ids"]

    def draw(self, rng, count):
        return [rng.choice(self.tasks[task]) for task in rng.choices(self.names, self.weights, k=count)]

    def batch(self, chosen):
        """(patches [B, 140, 768], ids [B, T], rows and places of the predicting tokens, their targets and weights,
        and for the rows with a point, where to look: rows, places, image tokens, points)"""
        frames = torch.from_numpy(np.stack([self.frame(sample) for sample in chosen]))
        tokens = [self.tokens(sample) for sample in chosen]
        length = max(len(prompt) + len(answer) for prompt, answer, _ in tokens)
        ids = torch.zeros(len(chosen), length, dtype=torch.long)
        rows, places, targets, weights = [], [], [], []
        look = [], [], [], []
        for row, (prompt, answer, weight) in enumerate(tokens):
            ids[row, :len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            rows += [row] * len(answer)
            places += range(len(prompt) - 1, len(prompt) + len(answer) - 1)
            targets += answer
            weights += weight
            aim = target(chosen[row]["answer"])
            if aim:
                look[0].extend([row] * len(answer))
                look[1].extend(range(len(prompt) - 1, len(prompt) + len(answer) - 1))
                look[2].extend([aim[0]] * len(answer))
                look[3].extend([aim[1]] * len(answer))
        flat = (torch.tensor(values) for values in (rows, places, targets, weights))
        return patches(frames), ids, *flat, tuple(map(torch.tensor, look))


def rng(*key):
    return random.Random(repr(key))
