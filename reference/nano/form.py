"""The form of nano's answers, and the files that describe a tokenizer of it."""

import json

# The family's added tokens that nano has, in the family's order, with their `special` flag.
FAMILY = [
    ("<|endoftext|>", True), ("<|im_start|>", True), ("<|im_end|>", True), ("<|vision_start|>", True),
    ("<|vision_end|>", True), ("<|image_pad|>", True), ("<|video_pad|>", True), ("<tool_call>", False),
    ("</tool_call>", False), ("<tool_response>", False), ("</tool_response>", False), ("<think>", False),
    ("</think>", False),
]
# Pieces of the fixed form of an answer: one token each, which makes an answer a third shorter.
FORM = [
    "\n\nIntent:", "\nExpect:", "\n<function=computer_use>\n<parameter=action>\n",
    "\n</parameter>\n<parameter=coordinate>\n[", "]\n</parameter>\n</function>\n", "\n</parameter>\n<parameter=text>\n",
    "\n</parameter>\n</function>\n",
]


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def describe(folder, ids, longest):
    """Writes what other programs need to know of a tokenizer: `ids` of its tokens, the longest text in tokens."""
    write(folder, "tokenizer_config.json", {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {
            str(ids[text]): {"content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                             "special": special}
            for text, special in [*FAMILY, *((text, False) for text in FORM)]},
        "additional_special_tokens": [text for text, special in FAMILY if special and text != "<|endoftext|>"],
        "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": longest, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    })
    write(folder, "generation_config.json", {
        "bos_token_id": ids["<|endoftext|>"], "do_sample": False,
        "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]], "pad_token_id": ids["<|endoftext|>"],
    })
