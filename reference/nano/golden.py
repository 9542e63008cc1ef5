"""One step by the official classes, in the format of `aurore verify`: `python reference/nano/golden.py CHECKPOINT EPISODE`.

Writes CHECKPOINT/golden: the frame of the episode's first step, the prompt, the patches, and the official
implementation's greedy answer with its margins, in f32 on the published weights.
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor, PreTrainedTokenizerFast, Qwen3_5MoeForConditionalGeneration


@torch.no_grad()
def main():
    folder, episode = map(pathlib.Path, sys.argv[1:])
    step = json.loads(episode.open().readline())
    picture = episode.parent / step["frame"]
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = Qwen3_5MoeForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    seen = AutoImageProcessor.from_pretrained(folder)(images=[Image.open(picture).convert("RGB")], return_tensors="pt")
    grid = seen["image_grid_thw"]
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": step["goal"]}]}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=True)
    ids = tokenizer(text.replace("<|image_pad|>", "<|image_pad|>" * (int(grid.prod()) // 4)), return_tensors="pt")["input_ids"]
    types = (ids == model.config.image_token_id).long()
    arguments = {"input_ids": ids, "pixel_values": seen["pixel_values"], "image_grid_thw": grid, "mm_token_type_ids": types}
    places, delta = model.model.get_rope_index(ids, types, image_grid_thw=grid)
    made = model.generate(**arguments, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=160,
                          return_dict_in_generate=True, output_logits=True)
    top = torch.stack([logits[0] for logits in made.logits]).topk(2).values
    answer = made.sequences[0, ids.shape[1]:]
    out = folder / "golden"
    out.mkdir(exist_ok=True)
    shutil.copy(picture, out / "frame.png")
    save_file({
        "input_ids": ids[0], "pixel_values": seen["pixel_values"].contiguous(), "image_grid_thw": grid,
        "mm_token_type_ids": types[0], "position_ids": places[:, 0].contiguous(),
        "rope_delta": delta.reshape(1).contiguous(), "greedy_ids": answer.contiguous(),
        "greedy_margins": (top[:, 0] - top[:, 1]).contiguous(),
    }, out / "frame.safetensors")
    said = tokenizer.decode(answer.tolist(), skip_special_tokens=False)
    index = {"name": "nano", "transformers": transformers.__version__, "compute_dtype": "float32", "cases": [
        {"case": "frame", "file": "frame.safetensors", "kind": "vision", "picture": "frame.png", "goal": step["goal"],
         "answer": said}]}
    (out / "index.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    print(said, "\nsmallest margin", (top[:, 0] - top[:, 1]).min().item())


if __name__ == "__main__":
    main()
