"""Speed of `aurore` beside `transformers` on the same random-weight shape, in one alternating run.

    python bench/vs_transformers.py --aurore target/release/aurore [--model 0.8B] [--rounds 5]

Run it with a Python that has `torch` and `transformers` (reference/requirements.txt). Each round times
aurore, then transformers in each of its data types, so that whatever else the machine does meets both.
It prints one line a round and writes a receipt, a JSON file with every figure, to bench/receipts/.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import torch
import transformers
from transformers.initialization import no_init_weights
from transformers import Qwen3_5ForCausalLM, Qwen3_5TextConfig

# hidden, layers, heads, key-value heads, intermediate, DeltaNet value heads (see the model cards).
SHAPES = {"0.8B": (1024, 24, 8, 2, 3584, 16), "2B": (2048, 24, 8, 2, 6144, 16)}
DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def build(shape, dtype):
    hidden, layers, heads, kv_heads, intermediate, value_heads = SHAPES[shape]
    config = Qwen3_5TextConfig(
        vocab_size=248320,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=256,
        intermediate_size=intermediate,
        linear_num_key_heads=16,
        linear_num_value_heads=value_heads,
        linear_key_head_dim=128,
        linear_value_head_dim=128,
        max_position_embeddings=262144,
        tie_word_embeddings=True,
    )
    torch.manual_seed(1)
    # Made in the wanted type at once: f32 first would need twice the memory.
    torch.set_default_dtype(dtype)
    with no_init_weights():
        model = Qwen3_5ForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    model.tie_weights()
    # Its own initialisation takes minutes; speed asks only for ordinary numbers.
    block = torch.empty(1 << 20, dtype=dtype).uniform_(-0.04, 0.04)
    with torch.inference_mode():
        for weight in model.parameters():
            flat = weight.view(-1)
            for start in range(0, flat.numel(), block.numel()):
                piece = flat[start : start + block.numel()]
                piece.copy_(block[: piece.numel()])
    return model


@torch.inference_mode()
def time_transformers(model, prompt, generate):
    """Tokens per second of one prefill and of decoding after it."""
    ids = torch.arange(prompt).mul(7919).remainder(200).unsqueeze(0)
    model(ids[:, :8], use_cache=True, logits_to_keep=1)
    start = time.perf_counter()
    output = model(ids, use_cache=True, logits_to_keep=1)
    prefill = prompt / (time.perf_counter() - start)
    if not torch.isfinite(output.logits).all():
        sys.exit("transformers computed logits that are not finite; its speed means nothing")

    # Decoding starts from an almost empty sequence, as aurore's depth 0 does.
    output = model(ids[:, :1], use_cache=True, logits_to_keep=1)
    cache = output.past_key_values
    model(ids[:, :1], past_key_values=cache, use_cache=True, logits_to_keep=1)
    start = time.perf_counter()
    for index in range(generate):
        token = ids[:, index % prompt : index % prompt + 1]
        model(token, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return {"prefill": prefill, "decode": generate / (time.perf_counter() - start)}


def time_aurore(arguments):
    command = [
        arguments.aurore, "bench", "--json", "--random-weights", "--model", arguments.model,
        "--quant", "bf16", "--prompt", str(arguments.prompt), "--generate", str(arguments.generate),
        "--threads", str(arguments.threads), "--repeat", "1",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["kind"]: line["tokens_per_second"] for line in lines}, lines, command


def machine():
    facts = {"system": platform.platform(), "processors": os.cpu_count(), "python": platform.python_version()}
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "flags"):
                facts.setdefault(name.strip(), value.strip())
    wanted = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
    facts["flags"] = [flag for flag in wanted if flag in facts.get("flags", "").split()]
    facts["memory_bytes"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return facts


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aurore", required=True, help="the optimised program")
    parser.add_argument("--model", default="0.8B", choices=SHAPES)
    parser.add_argument("--dtypes", default="bf16,f32", help="of transformers; its best one is what counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "receipts")
    parser.add_argument("--gap", action="append", default=[], help="a known gap to write into the receipt")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.aurore).is_file():
        parser.error(f"{arguments.aurore} is no file: build it with `cargo build --release`")

    torch.set_num_threads(arguments.threads)
    models = {f"transformers {name}": build(arguments.model, DTYPES[name]) for name in arguments.dtypes.split(",")}
    rounds = []
    for number in range(1, arguments.rounds + 1):
        load = os.getloadavg()[0]
        figures, lines, command = time_aurore(arguments)
        figures = {"aurore bf16": figures}
        for name, model in models.items():
            figures[name] = time_transformers(model, arguments.prompt, arguments.generate)
        rounds.append({"load_before": load, "figures": figures, "aurore": lines})
        shown = "; ".join(f"{name}: {f['prefill']:.1f} / {f['decode']:.2f}" for name, f in figures.items())
        print(f"round {number} (load {load:.1f}), prefill / decode tokens/s: {shown}", flush=True)

    summary = {}
    for name in rounds[0]["figures"]:
        for kind in ("prefill", "decode"):
            values = [r["figures"][name][kind] for r in rounds]
            summary.setdefault(name, {})[kind] = {
                "median": round(statistics.median(values), 3),
                "lowest": round(min(values), 3),
                "highest": round(max(values), 3),
            }
    rivals = [name for name in summary if name != "aurore bf16"]
    ratios = {}
    for kind in ("prefill", "decode"):
        best = max(rivals, key=lambda name: summary[name][kind]["median"])
        pairs = [r["figures"]["aurore bf16"][kind] / r["figures"][best][kind] for r in rounds]
        ratios[kind] = {"against": best, "median_of_rounds": round(statistics.median(pairs), 3),
                        "lowest": round(min(pairs), 3), "highest": round(max(pairs), 3)}
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H%M%SZ")
    receipt = {
        "what": f"random-weight {arguments.model} shape, text only, batch 1, {arguments.threads} threads",
        "date": date,
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain", "--untracked-files=no")),
        # Where things lie on this machine says nothing to others.
        "command": ["python", "bench/vs_transformers.py", *(pathlib.Path(a).name if "/" in a else a for a in sys.argv[1:])],
        "aurore_command": ["aurore", *command[1:]],
        "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
        "machine": machine(),
        "load_after": os.getloadavg()[0],
        "tokens_per_second": summary,
        "aurore_over_best_transformers": ratios,
        "known_gaps": [
            "random weights: both sides compute the same shape, not the same numbers",
            "bf16 weights with f32 activations here; transformers computes activations in its data type",
            *arguments.gap,
        ],
        "rounds": rounds,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"vs-transformers-{arguments.model}-{date}.json"
    path.write_text(json.dumps(receipt, indent=1) + "\n")
    for kind, ratio in ratios.items():
        print(f"{kind}: {ratio['median_of_rounds']:.2f} times {ratio['against']} "
              f"(lowest {ratio['lowest']:.2f}, highest {ratio['highest']:.2f})")
    print(path)


if __name__ == "__main__":
    main()
