"""One measurement of the official implementation, in a process of its own; prints one JSON object."""

import argparse
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from vs_transformers import DTYPES, build  # noqa: E402


def ids(tokens):
    return torch.arange(tokens).mul(7919).remainder(200).unsqueeze(0)


def load(folder, dtype, seeing):
    """The exported shape where it is given, else the language part in random numbers of its own."""
    if not folder:
        if seeing:
            sys.exit("a picture needs the exported shape: --folder")
        return build("0.8B", dtype)
    import transformers

    kind = transformers.AutoModelForImageTextToText if seeing else transformers.AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=dtype).eval()


def prefill(model, tokens):
    model(ids(8), use_cache=True, logits_to_keep=1)
    start = time.perf_counter()
    output = model(ids(tokens), use_cache=True, logits_to_keep=1)
    return time.perf_counter() - start, output


def decode(model, tokens):
    cache = model(ids(1), use_cache=True, logits_to_keep=1).past_key_values
    model(ids(1), past_key_values=cache, use_cache=True, logits_to_keep=1)
    given = ids(tokens)
    start = time.perf_counter()
    for index in range(tokens):
        output = model(given[:, index : index + 1], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return time.perf_counter() - start, output


def image(model, folder, repeat=2):
    """The second picture counts: the first one warms up, as with the other tools."""
    from transformers import AutoImageProcessor

    # The official sizes: a small tokeniser's folder may ask for smaller pictures.
    processor = AutoImageProcessor.from_pretrained(folder, size={"shortest_edge": 65536, "longest_edge": 16777216})
    pixels = torch.randint(0, 256, (3, 1080, 1920), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    config = model.config
    for _ in range(repeat):
        start = time.perf_counter()
        ready = processor(images=[pixels], return_tensors="pt")
        count = int(ready["image_grid_thw"].prod()) // processor.merge_size**2
        row = [config.vision_start_token_id, *[config.image_token_id] * count, config.vision_end_token_id]
        given = torch.tensor([row])
        kinds = (given == config.image_token_id).long()
        output = model(input_ids=given, mm_token_type_ids=kinds, pixel_values=ready["pixel_values"].to(model.dtype),
                       image_grid_thw=ready["image_grid_thw"], use_cache=True, logits_to_keep=1)
        seconds = time.perf_counter() - start
    return seconds, output, len(row)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--what", choices=("prefill", "decode", "image", "logits"), required=True)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--folder", help="the exported shape")
    parser.add_argument("--top", type=int, default=100, help="with --what logits: so many of the likeliest")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = load(arguments.folder, DTYPES[arguments.dtype], arguments.what == "image")
    tokens = arguments.tokens
    if arguments.what == "image":
        seconds, output, tokens = image(model, arguments.folder)
    elif arguments.what == "decode":
        seconds, output = decode(model, tokens)
    else:
        seconds, output = prefill(model, tokens)
    if not torch.isfinite(output.logits).all():
        sys.exit("error: logits that are not finite: the speed means nothing")
    line = {"what": arguments.what, "dtype": arguments.dtype, "tokens": tokens, "seconds": seconds,
            "tokens_per_second": tokens / seconds}
    if arguments.what == "logits":
        chances = output.logits[0, -1].float().log_softmax(-1).topk(arguments.top)
        line["top"] = dict(zip(chances.indices.tolist(), chances.values.tolist(), strict=True))
    print(json.dumps(line))


if __name__ == "__main__":
    main()
