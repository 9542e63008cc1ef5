"""Makes goldens of adapters: what PEFT writes for the checkpoints of `reference/gradients`, and the logits of the official
classes with it.

    python reference/make_adapters.py [--out reference/adapters]

writes a folder per checkpoint (`dense`, `moe`): an adapter as PEFT saves it, with random numbers in both of its matrices,
and `case.safetensors` with a sequence of text and its logits without and with the adapter, in f32.
"""

import argparse
import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText

MODULES = [
    "q_proj", "k_proj", "v_proj", "o_proj", "in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a", "out_proj",
    "gate_proj", "up_proj", "down_proj",
]
PARAMETERS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
TOKENS = 100
TEXT_IDS = 88


def make(base, out):
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    parameters = PARAMETERS if base.name == "moe" else None
    torch.manual_seed(7)
    model = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=6, target_modules=MODULES, target_parameters=parameters)
    )
    numbers = torch.Generator().manual_seed(8)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn(weight.shape, generator=numbers)
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    config = (out / "adapter_config.json").read_text()
    (out / "adapter_config.json").write_text(config.replace(str(base), f"reference/gradients/{base.name}"))
    ids = torch.randint(0, TEXT_IDS, (1, TOKENS), generator=numbers)
    model.eval()
    with torch.no_grad():
        with_it = model(input_ids=ids).logits[0]
        with model.disable_adapter():
            without = model(input_ids=ids).logits[0]
    case = {"ids": ids[0], "logits": with_it.contiguous(), "without": without.contiguous()}
    save_file(case, out / "case.safetensors")
    apart = (with_it - without).norm() / without.norm()
    print(f"{base.name}: the adapter moves logits by {apart:.2f} of their length")


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=here / "adapters")
    out = parser.parse_args().out
    for name in ["dense", "moe"]:
        (out / name).mkdir(parents=True, exist_ok=True)
        make(here / "gradients" / name, out / name)


if __name__ == "__main__":
    main()
