"""The folder that nano's training starts from: a tokenizer made from episodes, the shape, the template, random weights.

    python reference/nano/start.py OUT EPISODES... [--weights CHECKPOINT]

The weights are only there so that the folder is a checkpoint: `aurore train` with `fresh = true` begins with its own.
With `--weights` they are those of an earlier nano, whose embedding is brought to the new tokens: a token that it had keeps
its row, any other gets the mean of those that it was made of before.
"""

import argparse
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from form import describe, write  # noqa: E402
from tokenizer import VOCABULARY, build  # noqa: E402

HERE = pathlib.Path(__file__).parent
VIEWPORT = (160, 210)  # CSS pixels


def shape(ids):
    """The configuration in the form of the family's published files."""
    config = json.loads((HERE / "shape.json").read_text())
    for name, token in [("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>"),
                        ("vision_start_token_id", "<|vision_start|>"), ("vision_end_token_id", "<|vision_end|>")]:
        config[name] = ids[token]
    config["text_config"].update(eos_token_id=ids["<|endoftext|>"], vocab_size=VOCABULARY)
    return config


def carried(checkpoint, tokenizer):
    """The weights of a checkpoint, with rows of the embedding for the tokens of `tokenizer`."""
    before = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    weights = load_file(checkpoint / "model.safetensors")
    name = "model.language_model.embed_tokens.weight"
    old = weights[name].float()
    spelled = before.get_vocab()
    rows = old.mean(0).repeat(VOCABULARY, 1)
    for token, place in tokenizer.get_vocab().items():
        parts = [spelled[token]] if token in spelled else before.encode(tokenizer.decode([place]), add_special_tokens=False).ids
        if parts:
            rows[place] = old[parts].mean(0)
    return {**weights, name: rows.to(weights[name].dtype)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("episodes", nargs="+")
    parser.add_argument("--weights", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer = build(args.episodes)
    tokenizer.save(str(args.out / "tokenizer.json"))
    ids = tokenizer.get_vocab()
    describe(args.out, ids, 8192)
    # Frames are enlarged to 70 tokens: small letters spread over more of them.
    write(args.out, "preprocessor_config.json", {
        "size": {"shortest_edge": 224 * 320, "longest_edge": 512 * 512},
        "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast",
    })
    write(args.out, "aurore.json", {
        "name": "nano", "version": 1, "agent": {"memory": "intents", "viewport": VIEWPORT, "max_new_tokens": 200},
    })
    template = HERE.parent.parent / "models/nano/chat_template.jinja"
    (args.out / "chat_template.jinja").write_text(template.read_text())
    write(args.out, "config.json", shape(ids))
    torch.manual_seed(0)
    model = Qwen3_5MoeForConditionalGeneration(Qwen3_5MoeConfig.from_pretrained(args.out)).bfloat16()
    weights = {name: value.contiguous() for name, value in model.state_dict().items() if name != "lm_head.weight"}
    if args.weights:
        own = carried(args.weights, tokenizer)
        assert {name: value.shape for name, value in own.items()} == {name: value.shape for name, value in weights.items()}
        weights = own
    save_file(weights, args.out / "model.safetensors", metadata={"format": "pt"})
    print(f"{len(ids)} tokens, {sum(p.numel() for p in weights.values()) / 1e6:.2f} million parameters")


if __name__ == "__main__":
    main()
