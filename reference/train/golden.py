"""One case of the trained nano in the format of `aurore verify`: `python -m train.golden FOLDER [TASK] [SEED]`.

Writes FOLDER/golden: the frame as a picture, the prompt, the patches, and the official implementation's greedy answer
with its margins, in f32 on the published weights.
"""

import json
import pathlib
import sys

import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

from train import model as nano
from train import texts
from train.browser import HEIGHT, WIDTH, Chromium, single
from train.episodes import resized
from train.evaluate import Nano


@torch.no_grad()
def main():
    folder = pathlib.Path(sys.argv[1])
    task = sys.argv[2] if len(sys.argv) > 2 else "app/colour"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 2_000_000
    page = Chromium(WIDTH, HEIGHT)
    goal, frame = single(page, task, seed)
    page.close()
    speaker = Nano(folder)
    ids = torch.tensor(speaker.tokenizer.encode(texts.prompt(goal)).ids)
    pixels = nano.official_pixels(nano.patches(torch.from_numpy(resized(frame)[None].copy()))).contiguous()
    types = (ids == speaker.model.config.image_token_id).long()
    grid = torch.tensor([nano.GRID])
    arguments = {"input_ids": ids[None], "pixel_values": pixels, "image_grid_thw": grid, "mm_token_type_ids": types[None]}
    places, delta = speaker.model.model.get_rope_index(ids[None], types[None], image_grid_thw=grid)
    made = speaker.model.generate(
        **arguments, attention_mask=torch.ones_like(ids)[None], do_sample=False, max_new_tokens=96,
        return_dict_in_generate=True, output_logits=True)
    top = torch.stack([step[0] for step in made.logits]).topk(2).values
    answer = made.sequences[0, len(ids):]
    out = folder / "golden"
    out.mkdir(exist_ok=True)
    Image.fromarray(frame).save(out / "frame.png", optimize=True)
    save_file({
        "input_ids": ids, "pixel_values": pixels, "image_grid_thw": grid, "mm_token_type_ids": types,
        "position_ids": places[:, 0].contiguous(), "rope_delta": delta.reshape(1).contiguous(),
        "greedy_ids": answer.contiguous(), "greedy_margins": (top[:, 0] - top[:, 1]).contiguous(),
    }, out / "frame.safetensors")
    index = {"name": "nano", "transformers": transformers.__version__, "compute_dtype": "float32", "cases": [
        {"case": "frame", "file": "frame.safetensors", "kind": "vision", "picture": "frame.png", "goal": goal,
         "answer": speaker.tokenizer.decode(answer.tolist(), skip_special_tokens=False)}]}
    (out / "index.json").write_text(json.dumps(index, indent=2) + "\n")
    print(index["cases"][0]["answer"], "\nsmallest margin", (top[:, 0] - top[:, 1]).min().item())


if __name__ == "__main__":
    main()
