"""Training steps of the official classes on samples out of nothing: a JSON line per step.

    python transformers_step.py CONFIG.json ROWS COLUMNS TEXT SAID SAMPLES MICRO STEPS THREADS

A step is SAMPLES samples in micro-batches of MICRO, bf16 autocast, AdamW; the depthwise convolution is four shifted
multiplications, which is much faster here than the library's own. The loss is taken of the last SAID tokens.
"""

import json
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoConfig, AutoModelForImageTextToText


def conv1d(x, weight, bias=None, padding=0, groups=1, **more):
    """A depthwise convolution of four taps as four shifted multiplications; any other as it was."""
    if groups != weight.shape[0] or weight.shape[-1] != 4 or padding != 3 or bias is not None:
        return plain_conv1d(x, weight, bias, padding=padding, groups=groups, **more)
    w = weight[:, 0]
    padded = F.pad(x, (3, 3))
    length = x.shape[-1] + 3
    return sum(padded[:, :, i:i + length] * w[:, i:i + 1] for i in range(4))


plain_conv1d, F.conv1d = F.conv1d, conv1d


def main():
    path = sys.argv[1]
    rows, columns, text, said, samples, micro, steps, threads = map(int, sys.argv[2:10])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        config = json.load(open(path))
        json.dump(config, open(f"{folder}/config.json", "w"))
        configuration = AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(configuration, dtype=torch.float32, attn_implementation="sdpa").train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    tokens = rows * columns // 4
    image = configuration.image_token_id
    parameters = sum(p.numel() for p in model.parameters())
    for step in range(steps):
        words = torch.randint(10, configuration.text_config.vocab_size, (samples, text))
        ids = torch.cat([torch.full((samples, tokens), image), words], 1)
        labels = ids.clone()
        labels[:, :-said] = -100
        pixels = torch.rand(samples, rows * columns, 1536) * 2 - 1
        began = time.perf_counter()
        total = 0.0
        for first in range(0, samples, micro):
            own = slice(first, first + micro)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = model.model(
                    input_ids=ids[own], pixel_values=pixels[own].flatten(0, 1),
                    image_grid_thw=torch.tensor([[1, rows, columns]] * micro),
                    mm_token_type_ids=(ids[own] == image).long(), use_cache=False,
                ).last_hidden_state[:, -said - 1:-1]
                logits = model.lm_head(hidden)
            loss = F.cross_entropy(logits.float().flatten(0, 1), ids[own, -said:].flatten()) * micro / samples
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        print(json.dumps({
            "step": step + 1, "loss": total, "samples": samples, "tokens": ids.numel(), "parameters": parameters,
            "seconds": time.perf_counter() - began, "transformers": transformers.__version__, "torch": torch.__version__,
        }), flush=True)


if __name__ == "__main__":
    main()
