"""Typical mistakes: `python reference/nano/mistakes.py CHECKPOINT HELD OUT.png`.

Asks the official classes for the step that an expert took on held-back screens, and shows those where the click misses
the expert's target, at most one a task: what was asked, what the model thought, its click (red) and the
target (green).
"""

import json
import pathlib
import re
import sys
import textwrap

import torch
from PIL import Image, ImageDraw, ImageFont
from transformers import AutoImageProcessor, PreTrainedTokenizerFast, Qwen3_5MoeForConditionalGeneration

COLUMNS, ROWS, SCALE, TEXT = 6, 2, 1.25, 96


@torch.no_grad()
def answer(model, tokenizer, processor, picture, step):
    seen = processor(images=[picture], return_tensors="pt")
    done = step["did"][-8:]
    text = step["goal"] + ("\nDone: " + "\n".join(done) if done else "")
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    prompt = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=True)
    tokens = int(seen["image_grid_thw"].prod()) // 4
    ids = tokenizer(prompt.replace("<|image_pad|>", "<|image_pad|>" * tokens), return_tensors="pt")["input_ids"]
    types = (ids == model.config.image_token_id).long()
    made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=seen["pixel_values"],
                          image_grid_thw=seen["image_grid_thw"], mm_token_type_ids=types, do_sample=False, max_new_tokens=120)
    return tokenizer.decode(made[0, ids.shape[1]:])


def tile(picture, step, thinking, point, font):
    width, height = [round(side * SCALE) for side in picture.size]
    sheet = Image.new("RGB", (width, height + TEXT), "white")
    sheet.paste(picture.resize((width, height), Image.LANCZOS))
    draw = ImageDraw.Draw(sheet)
    left, top, wide, high = [side * SCALE for side in step["target"]["box"]]
    draw.rectangle([left, top, left + wide, top + high], outline="#0a8f3c", width=2)
    x, y = [side * SCALE for side in point]
    draw.line([x - 7, y, x + 7, y], fill="#d3181f", width=3)
    draw.line([x, y - 7, x, y + 7], fill="#d3181f", width=3)
    lines = textwrap.wrap(step["goal"], 36)[:4] + ["“" + line for line in textwrap.wrap(thinking, 35)[:3]]
    for number, line in enumerate(lines):
        draw.text((3, height + 2 + 13 * number), line, fill="#777" if line.startswith("“") else "#111", font=font)
    return sheet


def main():
    folder, held, out = map(pathlib.Path, sys.argv[1:])
    tokenizer, processor = PreTrainedTokenizerFast.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    model = Qwen3_5MoeForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    font = ImageFont.load_default(11)
    tiles, tasks = [], set()
    for file in sorted(held.glob("*.jsonl")):
        for step in map(json.loads, file.open()):
            if step["family"] in tasks or not step.get("point") or not step["target"] or len(tiles) == COLUMNS * ROWS:
                continue
            picture = Image.open(file.parent / step["frame"]).convert("RGB")
            said = answer(model, tokenizer, processor, picture, step)
            found = re.search(r"\[(\d+), (\d+)\]", said)
            if not found:
                continue
            point = [int(side) * size / 1000 for side, size in zip(found.groups(), picture.size)]
            left, top, wide, high = step["target"]["box"]
            if left <= point[0] <= left + wide and top <= point[1] <= top + high:
                continue
            tasks.add(step["family"])
            tiles.append(tile(picture, step, said.split("</think>")[0].strip(), point, font))
    if not tiles:
        sys.exit("every click hit its target")
    width, height = tiles[0].size
    sheet = Image.new("RGB", ((width + 8) * COLUMNS, (height + 8) * ROWS), "#999")
    for number, one in enumerate(tiles):
        sheet.paste(one, ((width + 8) * (number % COLUMNS), (height + 8) * (number // COLUMNS)))
    sheet.quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    main()
