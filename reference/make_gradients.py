"""Makes goldens of training: loss and every tensor's gradient, by PyTorch's autograd on the official classes in f32.

    python reference/make_gradients.py [--out reference/gradients]

writes a folder per checkpoint (`dense`, `moe`): a tiny checkpoint in the official layout, and `case.safetensors` with
one sequence of text and two images, which of its tokens count, the losses, `gradient.NAME` for every tensor, and
`autocast.NAME`, how far that gradient is off under bf16 autocast.
Everything is seeded; a second run on the same machine writes the same bytes.
"""

import argparse
import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText

import make_goldens as goldens

VOCAB = 96
IDS = {"vision_start_token_id": 90, "vision_end_token_id": 91, "image_token_id": 92, "video_token_id": 93}
TEXT_IDS = 88
BALANCE = 0.05
VISION = {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "num_position_embeddings": 16}


def text_config(model_type, **sizes):
    rope = {
        "mrope_interleaved": True, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5, "rope_theta": 10000,
        "rope_type": "default",
    }
    return goldens.text_config(
        model_type, vocab_size=VOCAB, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=16,
        rope_parameters=rope, mtp_num_hidden_layers=0, eos_token_id=89, **sizes)


def sequence(seed):
    """Ids, and which of them the model is taught to say: two answers after two pictures, 120 tokens in all."""
    one, two = goldens.picture(64, 64, seed), goldens.picture(96, 64, seed + 1)
    ids, counts = [], []

    def say(more, taught):
        ids.extend(more)
        counts.extend([taught] * len(more))

    def picture(image):
        tokens = int(goldens.preprocess([image])["image_grid_thw"][0].prod() // 4)
        return [IDS["vision_start_token_id"]] + [IDS["image_token_id"]] * tokens + [IDS["vision_end_token_id"]]

    words = torch.randint(0, TEXT_IDS, (120,), generator=torch.Generator().manual_seed(seed)).tolist()
    say(words[:7], 0)
    say(picture(one), 0)
    say(words[7:30], 0)
    say(words[30:50], 1)
    say(words[50:62], 0)
    say(picture(two), 0)
    say(words[62:70], 0)
    say(words[70:106], 1)
    return ids, counts, [one, two]


def write(folder, config, seed):
    folder.mkdir(parents=True)
    goldens.write_json(folder / "config.json", config)
    configuration = transformers.AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(configuration, dtype=torch.float32, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    goldens.randomise(model, generator)
    goldens.write_shards(folder, goldens.published_tensors(model, torch.bfloat16), 1)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids, counts, images = sequence(seed)
    encoded = goldens.preprocess(images)
    ids, counts = torch.tensor(ids), torch.tensor(counts)
    types = (ids == IDS["image_token_id"]).long()
    labels = torch.where(counts > 0, ids, -100)
    arguments = {
        "input_ids": ids[None], "labels": labels[None], "pixel_values": encoded["pixel_values"].float(),
        "image_grid_thw": encoded["image_grid_thw"], "mm_token_type_ids": types[None],
    }
    experts = "num_experts" in config["text_config"]
    if experts:
        arguments["output_router_logits"] = True
    positions, _ = model.model.get_rope_index(ids[None], types[None], image_grid_thw=encoded["image_grid_thw"])
    output = model(**arguments)
    output.loss.backward()
    tensors = {
        "input_ids": ids, "counts": counts, "position_ids": positions[:, 0].contiguous(),
        "pixel_values": arguments["pixel_values"].contiguous(), "image_grid_thw": encoded["image_grid_thw"],
        "loss": output.loss.detach().reshape(1), "logits": output.logits[0].detach().contiguous(),
    }
    if experts:
        tensors["balance"] = output.aux_loss.detach().reshape(1)
    gradients = {name: parameter.grad.detach().clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(**arguments).loss
    loss.backward()
    # How far bf16 products alone move each gradient: what other bf16 products are measured by.
    tensors["autocast.loss"] = loss.detach().float().reshape(1)
    for name, parameter in model.named_parameters():
        tensors[f"gradient.{name}"] = gradients[name].contiguous()
        tensors[f"autocast.{name}"] = ((parameter.grad - gradients[name]).norm() / gradients[name].norm()).reshape(1)
    save_file(tensors, folder / "case.safetensors", metadata={"transformers": transformers.__version__, "torch": torch.__version__})
    print(f"{folder.name}: {len(ids)} tokens, loss {output.loss.item():.4f}, {sum(p.numel() for p in model.parameters())} parameters")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "gradients")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    shutil.rmtree(out, ignore_errors=True)
    vision = VISION | {"out_hidden_size": 32}
    text = text_config("qwen3_5_text", intermediate_size=48)
    config = goldens.whole_config("qwen3_5", "Qwen3_5ForConditionalGeneration", text, True, vision) | IDS
    write(out / "dense", config, seed=11)
    text = text_config(
        "qwen3_5_moe_text", num_experts=6, num_experts_per_tok=2, moe_intermediate_size=16,
        shared_expert_intermediate_size=16, router_aux_loss_coef=BALANCE)
    config = goldens.whole_config("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration", text, False, vision) | IDS
    write(out / "moe", config, seed=12)
    goldens.write_json(out / "about.json", {
        "transformers": transformers.__version__, "torch": torch.__version__, "attention": "eager", "dtype": "float32",
        "balance_weight": BALANCE,
    })


if __name__ == "__main__":
    main()
