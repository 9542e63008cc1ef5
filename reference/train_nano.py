"""Trains nano: `python train_nano.py RUN CHECKPOINT --data A,B --until HH:MM [--workers 2]`.

RUN keeps the state (resumed from when it exists) and the loss log; CHECKPOINT, made by `train.files`, gets fresh
weights every few minutes. Workers share the batch and average their gradients; each uses one thread, since on a
busy machine threads that wait for one another after every small product lose most of their time.
"""

import argparse
import datetime
import json
import os
import pathlib
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import AutoConfig

from train import data, model as nano
from train.optimiser import Optimiser

BATCH = 8  # samples per worker and step
WARMUP = 60  # steps
GAZE = 0.15  # weight of the gaze loss
PLACE = 1.0  # weight of the place loss
SAVE_SECONDS = 150


def work(rank, args):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{args.run}/rendezvous", rank=rank, world_size=args.workers)
    folder, run = pathlib.Path(args.checkpoint), pathlib.Path(args.run)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    samples = data.Samples(args.data.split(","), tokenizer)
    configuration = AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    model = nano.create(configuration)
    fast = nano.Fast(model)
    optimiser = Optimiser(fast)
    step, seen, began = 0, 0, time.time()
    state_path = run / "state.pt"
    if state_path.exists():
        state = torch.load(state_path, weights_only=False)
        fast.load_state_dict(state["model"])
        optimiser.load(state["optimiser"])
        step, seen, began = state["step"], state["seen"], state["began"]
    parameters = list(fast.parameters())
    log = open(run / "log.jsonl", "a") if rank == 0 else None
    if rank == 0:
        print(len(samples), "samples", sum(p.numel() for p in parameters), "parameters", flush=True)
    saved = reported = time.time()
    reported_step, mean = step, None
    while True:
        rng = data.rng(args.seed, step, rank)
        x, ids, rows, places, targets, weights, look = samples.batch(samples.draw(rng, BATCH))
        hidden, balance, gaze, place = fast(x, ids, look)
        loss = F.cross_entropy(fast.logits(hidden[rows, places]), targets, reduction="none")
        plain = loss.mean()
        digits = loss[weights >= 2].mean()
        loss = (loss * weights).sum() / weights.sum()
        for p in parameters:
            p.grad = None
        # One head of each attention layer is taught to look at what will be clicked: grounding comes much sooner.
        (loss + 0.01 * balance + GAZE * gaze + PLACE * place).backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        report = torch.stack([plain.detach(), digits.detach(), norm, gaze.detach() / 2, place.detach() / 2])
        flat = torch.cat([p.grad.flatten() for p in parameters] + [report])
        dist.all_reduce(flat)
        flat /= args.workers
        parts = flat.split([p.numel() for p in parameters] + [5])
        for p, part in zip(parameters, parts):
            p.grad = part.view_as(p)
        # The rank 0 clock decides, so that all workers see the same rate and stop together.
        clock = torch.tensor([time.time() - began, args.end - began], dtype=torch.float64)
        dist.broadcast(clock, 0)
        progress = min(1.0, (clock[0] / clock[1]).item())
        optimiser.step(min(1.0, (step + 1) / WARMUP) * min(1.0, 1.25 * (1 - progress)))
        step += 1
        seen += BATCH * args.workers
        mean = parts[-1] if mean is None else mean + 0.03 * (parts[-1] - mean)
        last = progress >= 1
        if rank == 0 and (step % 40 == 0 or last):
            now = time.time()
            line = {
                "step": step, "samples": seen, "loss": round(mean[0].item(), 4),
                "digits": round(mean[1].item(), 4), "norm": round(mean[2].item(), 3), "gaze": round(mean[3].item(), 3),
                "place": round(mean[4].item(), 4),
                "balance": round(balance.item() / 8, 3),
                "samples_per_second": round((step - reported_step) * BATCH * args.workers / (now - reported), 1),
                "minutes": round((now - began) / 60, 1),
            }
            log.write(json.dumps(line) + "\n")
            log.flush()
            reported, reported_step = now, step
        if rank == 0 and (time.time() - saved > SAVE_SECONDS or last):
            torch.save({"model": fast.state_dict(), "optimiser": optimiser.state(), "step": step, "seen": seen, "began": began},
                       run / "state.tmp")
            os.replace(run / "state.tmp", state_path)
            nano.save_weights(model, folder / "model.safetensors.tmp")
            os.replace(folder / "model.safetensors.tmp", folder / "model.safetensors")
            saved = time.time()
        if last:
            break
    dist.barrier()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--until", required=True, help="HH:MM today")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    hour, minute = map(int, args.until.split(":"))
    args.end = datetime.datetime.now().replace(hour=hour, minute=minute, second=0).timestamp()
    args.run = str(pathlib.Path(args.run).resolve())
    pathlib.Path(args.run).mkdir(parents=True, exist_ok=True)
    pathlib.Path(args.run, "rendezvous").unlink(missing_ok=True)
    torch.multiprocessing.spawn(work, (args,), nprocs=args.workers)


if __name__ == "__main__":
    main()
