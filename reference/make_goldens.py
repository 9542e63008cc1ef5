"""Makes tiny random checkpoints and verification cases with the official implementation.

    python reference/make_goldens.py [--out reference/goldens]

writes one folder per checkpoint (`dense`, `moe`, `moe-per-expert`, `text-only`) with a folder `cases` in each,
in the format that `aurore verify` reads, and `images`: pictures with the patches that the official processor
makes of them. Everything is seeded; a second run on the same machine writes the same bytes.
"""

import argparse
import json
import math
import pathlib
import shutil

import numpy as np
import torch
import transformers
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

VOCAB = 320
VISION_START, VISION_END, IMAGE, VIDEO = 314, 315, 316, 317
EOS = 313
TEXT_IDS = 312  # ids below are ordinary text
LOGIT_STD = 1.8
PREPROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "size": {"shortest_edge": 2048, "longest_edge": 81920},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262144}
YARN_SHORT = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 128, "beta_fast": 16.0}


def text_config(model_type, **sizes):
    config = {
        "model_type": model_type,
        "vocab_size": VOCAB,
        "hidden_size": 64,
        "num_hidden_layers": 4,
        "full_attention_interval": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 32,
        "linear_value_head_dim": 32,
        "linear_conv_kernel_dim": 4,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 4096,
        "attention_bias": False,
        "attn_output_gate": True,
        "mamba_ssm_dtype": "float32",
        "mtp_num_hidden_layers": 1,
        "eos_token_id": EOS,
        "rope_parameters": {
            "mrope_interleaved": True,
            "mrope_section": [3, 3, 2],
            "partial_rotary_factor": 0.25,
            "rope_theta": 10000000,
            "rope_type": "default",
        },
    } | sizes
    layers, interval = config["num_hidden_layers"], config["full_attention_interval"]
    config["layer_types"] = [
        "linear_attention" if (i + 1) % interval else "full_attention" for i in range(layers)
    ]
    return config


DENSE_FFN = {"intermediate_size": 160}
MOE_FFN = {
    "num_experts": 8,
    "num_experts_per_tok": 3,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 48,
}


def whole_config(model_type, architecture, text, tie, vision):
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "image_token_id": IMAGE,
        "video_token_id": VIDEO,
        "vision_start_token_id": VISION_START,
        "vision_end_token_id": VISION_END,
        "tie_word_embeddings": tie,
        "text_config": text | {"tie_word_embeddings": tie},
        "vision_config": {
            "model_type": model_type,
            "depth": 2,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_heads": 4,
            "in_channels": 3,
            "patch_size": 16,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "out_hidden_size": text["hidden_size"],
            "num_position_embeddings": 64,
            "hidden_act": "gelu_pytorch_tanh",
            "deepstack_visual_indexes": [],
        } | vision,
    }


# ---------------------------------------------------------------- weights

def randomise(model, generator):
    """Every tensor takes part: norms away from their neutral values, slow and fast decays, biases."""

    def normal(parameter, mean, std):
        parameter.copy_(mean + std * torch.randn(parameter.shape, generator=generator))

    def uniform(parameter, low, high):
        parameter.copy_(low + (high - low) * torch.rand(parameter.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            visual = ".visual." in name
            if name.endswith("A_log"):
                uniform(parameter, -4.0, 1.5)
            elif name.endswith("dt_bias"):
                uniform(parameter, -3.0, 1.0)
            elif name.endswith("linear_attn.norm.weight"):
                normal(parameter, 1.0, 0.3)
            elif "norm" in name and name.endswith("weight"):
                normal(parameter, 1.0 if visual else 0.0, 0.3)
            elif name.endswith("conv1d.weight"):
                normal(parameter, 0.0, 0.5)
            elif "embed_tokens" in name or "lm_head" in name:
                normal(parameter, 0.0, LOGIT_STD / math.sqrt(parameter.shape[1]))
            elif "pos_embed" in name:
                normal(parameter, 0.0, 0.5)
            elif parameter.dim() == 1:
                normal(parameter, 0.0, 0.2)
            else:
                # Fused experts are [experts, out, in]; patches count all their axes.
                fan_in = parameter.shape[-1] if "experts" in name else parameter[0].numel()
                normal(parameter, 0.0, 1.0 / math.sqrt(fan_in))


def calibrate(model, generator):
    """Scales the head until logits have the usual spread."""
    head = model.get_output_embeddings().weight
    ids = torch.randint(0, TEXT_IDS, (1, 128), generator=generator)
    for _ in range(6):
        with torch.no_grad():
            head.mul_(LOGIT_STD / model(input_ids=ids).logits.std())


def published_tensors(model, dtype):
    """The official layout: fused experts; A_log and the gated norm stay in f32 beside bf16."""
    tensors = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        keep = name.endswith(("A_log", "linear_attn.norm.weight"))
        tensors[name] = tensor.detach().to(torch.float32 if keep else dtype).clone().contiguous()
    return tensors


def mtp_tensors(text, dtype, generator):
    """A multi-token-prediction head with per-expert tensors, as published; the forward pass ignores it."""
    hidden, dim = text["hidden_size"], text["head_dim"]
    queries, keys = text["num_attention_heads"] * dim, text["num_key_value_heads"] * dim
    layer = "mtp.layers.0"
    shapes = {
        "mtp.fc.weight": (hidden, 2 * hidden),
        "mtp.pre_fc_norm_embedding.weight": (hidden,),
        "mtp.pre_fc_norm_hidden.weight": (hidden,),
        "mtp.norm.weight": (hidden,),
        f"{layer}.input_layernorm.weight": (hidden,),
        f"{layer}.post_attention_layernorm.weight": (hidden,),
        f"{layer}.self_attn.q_proj.weight": (2 * queries, hidden),
        f"{layer}.self_attn.k_proj.weight": (keys, hidden),
        f"{layer}.self_attn.v_proj.weight": (keys, hidden),
        f"{layer}.self_attn.o_proj.weight": (hidden, queries),
        f"{layer}.self_attn.q_norm.weight": (dim,),
        f"{layer}.self_attn.k_norm.weight": (dim,),
        f"{layer}.mlp.gate.weight": (text["num_experts"], hidden),
        f"{layer}.mlp.shared_expert_gate.weight": (1, hidden),
    }

    def swiglu(prefix, inner):
        for part, shape in (("gate", (inner, hidden)), ("up", (inner, hidden)), ("down", (hidden, inner))):
            shapes[f"{prefix}.{part}_proj.weight"] = shape

    swiglu(f"{layer}.mlp.shared_expert", text["shared_expert_intermediate_size"])
    for expert in range(text["num_experts"]):
        swiglu(f"{layer}.mlp.experts.{expert}", text["moe_intermediate_size"])
    return {
        name: (torch.randn(shape, generator=generator) / math.sqrt(shape[-1])).to(dtype)
        for name, shape in shapes.items()
    }


def write_checkpoint(folder, config, dtype, shards, seed, official_writer=False):
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    write_json(folder / "config.json", config)
    auto = AutoModelForCausalLM if "text_config" not in config else AutoModelForImageTextToText
    model = auto.from_config(transformers.AutoConfig.from_pretrained(folder), dtype=torch.float32).eval()
    randomise(model, generator)
    calibrate(model, generator)
    if "text_config" in config:
        write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    write_json(folder / "generation_config.json", {"eos_token_id": [EOS], "do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95})
    if official_writer:
        model.to(dtype).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
    else:
        tensors = published_tensors(model, dtype)
        text = config.get("text_config", config)
        if "num_experts" in text:
            tensors |= mtp_tensors(text, dtype, generator)
        write_shards(folder, tensors, shards)
    # What is measured is what the official loader makes of the files.
    return auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def write_shards(folder, tensors, shards):
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    weight_map = {}
    for shard in range(shards):
        file = f"model.safetensors-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[len(names) * shard // shards : len(names) * (shard + 1) // shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


# ---------------------------------------------------------------- pictures

def picture(width, height, seed):
    """Shapes, text and smooth shades, which compress well."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    shade = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x + y) * 3 % 256], -1)
    image = Image.fromarray(shade.astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        box = [left, top, left + width // 4, top + height // 4]
        draw.rectangle(box, fill=colour) if rng.random() < 0.5 else draw.ellipse(box, fill=colour)
    draw.text((2, 2), f"seed {seed}", fill=(255, 255, 255))
    return image


def processor(**settings):
    config = {key: value for key, value in PREPROCESSOR.items() if key != "image_processor_type"}
    return Qwen2VLImageProcessor(**(config | settings))


def preprocess(images, **settings):
    return processor(**settings)(images=images, return_tensors="pt")


def write_images(folder):
    """Pictures beside what the official processor makes of them: shrunk, enlarged, as they are."""
    folder.mkdir(parents=True)
    index = []
    for name, width, height, settings in [
        ("as-is", 96, 64, {}),
        ("shrunk", 301, 187, {"size": {"shortest_edge": 1024, "longest_edge": 8192}}),
        ("enlarged", 40, 25, {"size": {"shortest_edge": 5120, "longest_edge": 81920}}),
        ("rounded", 111, 50, {}),
    ]:
        image = picture(width, height, seed=len(index))
        image.save(folder / f"{name}.png", optimize=True)
        encoded = preprocess([image], **settings)
        save_file(
            {"pixel_values": encoded["pixel_values"].float().contiguous(), "image_grid_thw": encoded["image_grid_thw"]},
            folder / f"{name}.safetensors",
        )
        index.append({"image": f"{name}.png", "file": f"{name}.safetensors", "size": settings.get("size", PREPROCESSOR["size"])})
    write_json(folder / "index.json", {"transformers": transformers.__version__, "images": index})


# ---------------------------------------------------------------- cases

class Cases:
    """Runs a model and writes what it computes."""

    def __init__(self, folder, name, model):
        self.folder, self.model = folder, model
        self.index = {"name": name, "transformers": transformers.__version__, "compute_dtype": "float32", "cases": []}
        folder.mkdir(parents=True)
        self.inner = getattr(model.model, "language_model", model.model)

    def add(self, case, ids, images=(), hidden=False, state=True, greedy=0, rope=None, logits=True):
        tensors = {"input_ids": torch.tensor(ids)}
        arguments = {"input_ids": tensors["input_ids"][None]}
        if images:
            encoded = preprocess(list(images))
            tensors["pixel_values"] = encoded["pixel_values"].float().contiguous()
            tensors["image_grid_thw"] = encoded["image_grid_thw"]
            types = (tensors["input_ids"] == IMAGE).long()
            tensors["mm_token_type_ids"] = types
            arguments |= {
                "pixel_values": tensors["pixel_values"],
                "image_grid_thw": tensors["image_grid_thw"],
                "mm_token_type_ids": types[None],
            }
            positions, delta = self.model.model.get_rope_index(
                arguments["input_ids"], types[None], image_grid_thw=tensors["image_grid_thw"]
            )
            tensors["position_ids"] = positions[:, 0].contiguous()
            tensors["rope_delta"] = delta.reshape(1)
        else:
            tensors["position_ids"] = torch.arange(len(ids)).expand(3, -1).contiguous()
            tensors["rope_delta"] = torch.zeros(1, dtype=torch.long)
        with torch.no_grad(), rope_override(self.inner, rope):
            seen, hooks = self.watch()
            output = self.model(**arguments, use_cache=True)
            for hook in hooks:
                hook.remove()
            if logits:
                tensors["logits"] = output.logits[0].float()
            if hidden:
                tensors |= {key: value for key, value in seen.items() if key.startswith("hidden.")}
            if images:
                tensors |= {key: value for key, value in seen.items() if key.startswith("vision.")}
            if state:
                tensors |= self.state(output.past_key_values)
            if greedy:
                tensors |= self.greedy(arguments, greedy)
        tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
        file = f"{case}.safetensors"
        save_file(tensors, self.folder / file)
        entry = {"case": case, "file": file, "kind": "vision" if images else "text"}
        if rope:
            entry["rope_parameters_override"] = rope
        self.index["cases"].append(entry)
        spread = f"{tensors['logits'].std():.2f}" if logits else "-"
        print(f"{self.index['name']:16} {case:20} T={len(ids):4} logits std {spread}", flush=True)

    def watch(self):
        """Hooks that record hidden states; `hidden.layer.NN` is what leaves layer NN."""
        seen, hooks = {}, []
        first = lambda output: output[0] if isinstance(output, tuple) else output
        layers = self.inner.layers

        def on_embed(_module, args, kwargs):
            seen["hidden.embed"] = (args[0] if args else kwargs["hidden_states"])[0]

        hooks.append(layers[0].register_forward_pre_hook(on_embed, with_kwargs=True))
        for number, layer in enumerate(layers):
            def on_layer(_module, _args, output, number=number):
                seen[f"hidden.layer.{number:02}"] = first(output)[0]
            hooks.append(layer.register_forward_hook(on_layer))

        def on_norm(_module, _args, output):
            seen["hidden.final_norm"] = output[0]

        hooks.append(self.inner.norm.register_forward_hook(on_norm))
        visual = getattr(self.model.model, "visual", None)
        if visual is not None:
            def on_visual(_module, _args, output):
                seen["vision.image.last_hidden"] = output.last_hidden_state
                seen["vision.image.merged"] = output.pooler_output
            hooks.append(visual.register_forward_hook(on_visual))
        return seen, hooks

    def state(self, cache):
        tensors = {}
        for number, kind in enumerate(self.inner.config.layer_types):
            if kind == "linear_attention":
                tensors[f"state.{number:02}.conv"] = cache.get_conv_state(number, state_idx=0)[0]
                tensors[f"state.{number:02}.recurrent"] = cache.get_recurrent_state(number, state_idx=0)[0]
        return tensors

    def greedy(self, arguments, count):
        # Without a mask `generate` takes token 0 in a prompt for padding.
        mask = torch.ones_like(arguments["input_ids"])
        output = self.model.generate(
            **arguments, attention_mask=mask, max_new_tokens=count, do_sample=False, eos_token_id=None, pad_token_id=0,
            return_dict_in_generate=True, output_logits=True,
        )
        steps = torch.stack([step[0] for step in output.logits])
        length = arguments["input_ids"].shape[1]
        self.check_stable(arguments, output.sequences, steps)
        top = steps.topk(2).values
        return {"greedy_ids": output.sequences[0, length:], "greedy_margins": top[:, 0] - top[:, 1]}

    def check_stable(self, arguments, sequences, steps):
        """Refuses a case in which two experts are so close that rounding chooses between them."""
        length = arguments["input_ids"].shape[1]
        whole = dict(arguments, input_ids=sequences)
        if "mm_token_type_ids" in arguments:
            more = torch.zeros(1, sequences.shape[1] - length, dtype=torch.long)
            whole["mm_token_type_ids"] = torch.cat([arguments["mm_token_type_ids"], more], 1)
        logits = self.model(**whole).logits[0, length - 1 : -1]
        difference = (logits - steps).abs().max().item()
        if difference > 1e-3:
            raise SystemExit(f"{self.index['name']}: prefill and steps differ by {difference:.4f}: use another seed")

    def finish(self):
        write_json(self.folder / "index.json", self.index)


class rope_override:
    """The model's rotary embedding with some parameters replaced, and put back afterwards."""

    def __init__(self, inner, override):
        self.inner, self.override = inner, override

    def __enter__(self):
        if self.override:
            self.kept = self.inner.rotary_emb
            config = type(self.inner.config).from_dict(self.inner.config.to_dict())
            config.rope_parameters = dict(config.rope_parameters) | self.override
            self.inner.rotary_emb = type(self.kept)(config)

    def __exit__(self, *_):
        if self.override:
            self.inner.rotary_emb = self.kept


def prompt(seed, count):
    return np.random.default_rng(seed).integers(0, TEXT_IDS, count).tolist()


def image_tokens(image):
    grid = preprocess([image])["image_grid_thw"][0]
    return [VISION_START] + [IMAGE] * int(grid.prod() // 4) + [VISION_END]


def text_cases(cases, lengths, seed):
    for length in lengths:
        greedy = 24 if length in (3, 63, 64, 200) else 0
        cases.add(f"text-{length:03}", prompt(seed + length, length), hidden=length in (3, 65), state=length in (3, 65, 200, 513), greedy=greedy)


def image_cases(cases, seed, several=True, large=False):
    one, two = picture(96, 64, seed), picture(32, 64, seed + 1)
    begin, middle, end = prompt(seed, 9), prompt(seed + 1, 17), prompt(seed + 2, 12)
    cases.add("image-one", begin + image_tokens(one) + end, [one], hidden=True, greedy=16)
    if not several:
        return
    cases.add("image-two", begin + image_tokens(one) + image_tokens(two) + end, [one, two], greedy=8)
    chat = begin + image_tokens(two) + prompt(seed + 3, 40) + [EOS] + middle + image_tokens(one) + end
    cases.add("image-chat", chat, [two, one], greedy=16)
    if large:
        wide = picture(192, 160, seed + 4)
        cases.add("image-large", prompt(seed + 5, 5) + image_tokens(wide) + prompt(seed + 6, 6), [wide], greedy=4)
        image = begin + image_tokens(one) + end
        cases.add("yarn-image", image, [one], rope=YARN_SHORT, greedy=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "goldens")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shutil.rmtree(out, ignore_errors=True)
    lengths = [1, 3, 63, 64, 65, 200, 513]

    write_images(out / "images")

    # Dense, tied head, bf16, one file.
    config = whole_config("qwen3_5", "Qwen3_5ForConditionalGeneration", text_config("qwen3_5_text", **DENSE_FFN), True, {})
    model = write_checkpoint(out / "dense", config, torch.bfloat16, 1, seed=1)
    cases = Cases(out / "dense/cases", "dense", model)
    text_cases(cases, lengths, seed=1000)
    cases.add("yarn-100", prompt(1, 100), rope=YARN, greedy=8)
    cases.add("yarn-short-065", prompt(2, 65), rope=YARN_SHORT, hidden=True)
    image_cases(cases, 1100, large=True)
    cases.finish()

    # Experts, head of its own, bf16 with f32 exceptions, shards, fused experts, an unused mtp head,
    # DeltaNet heads of unequal width, three value heads per key head.
    text = text_config(
        "qwen3_5_moe_text", **MOE_FFN, linear_key_head_dim=16, linear_value_head_dim=32, linear_num_value_heads=6
    )
    config = whole_config("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration", text, False, {"num_heads": 2})
    model = write_checkpoint(out / "moe", config, torch.bfloat16, 3, seed=2)
    cases = Cases(out / "moe/cases", "moe", model)
    text_cases(cases, lengths, seed=2000)
    image_cases(cases, 2200)
    cases.finish()

    # Experts one by one, as `save_pretrained` writes them; f16.
    text = text_config("qwen3_5_moe_text", **MOE_FFN, num_hidden_layers=2, full_attention_interval=2)
    config = whole_config("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration", text, False, {"depth": 1, "hidden_size": 32})
    model = write_checkpoint(out / "moe-per-expert", config, torch.float16, 1, seed=3, official_writer=True)
    cases = Cases(out / "moe-per-expert/cases", "moe-per-expert", model)
    text_cases(cases, [3, 65], seed=3000)
    image_cases(cases, 3100, several=False)
    cases.finish()

    # The language model alone in f32, its configuration at the top.
    text = text_config("qwen3_5_text", **DENSE_FFN, num_hidden_layers=2, full_attention_interval=2)
    text |= {"architectures": ["Qwen3_5ForCausalLM"], "tie_word_embeddings": False}
    model = write_checkpoint(out / "text-only", text, torch.float32, 1, seed=4)
    cases = Cases(out / "text-only/cases", "text-only", model)
    text_cases(cases, [3, 65], seed=4000)
    cases.finish()

    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{size / 1e6:.1f} MB in {out}")


if __name__ == "__main__":
    main()
