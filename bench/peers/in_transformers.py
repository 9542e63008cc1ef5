"""One measurement of the official implementation, in a process of its own; prints one JSON object."""

import argparse
import json
import pathlib
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from vs_transformers import DTYPES, build  # noqa: E402


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--what", choices=("prefill", "decode"), required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = build("0.8B", DTYPES[arguments.dtype])
    ids = torch.arange(max(arguments.tokens, 8)).mul(7919).remainder(200).unsqueeze(0)
    model(ids[:, :8], use_cache=True, logits_to_keep=1)
    if arguments.what == "prefill":
        start = time.perf_counter()
        output = model(ids, use_cache=True, logits_to_keep=1)
    else:
        cache = model(ids[:, :1], use_cache=True, logits_to_keep=1).past_key_values
        model(ids[:, :1], past_key_values=cache, use_cache=True, logits_to_keep=1)
        start = time.perf_counter()
        for index in range(arguments.tokens):
            output = model(ids[:, index : index + 1], past_key_values=cache, use_cache=True, logits_to_keep=1)
    seconds = time.perf_counter() - start
    if not torch.isfinite(output.logits).all():
        sys.exit("logits that are not finite: the speed means nothing")
    print(json.dumps({"what": arguments.what, "dtype": arguments.dtype, "tokens": arguments.tokens,
                      "tokens_per_second": arguments.tokens / seconds}))


if __name__ == "__main__":
    main()
