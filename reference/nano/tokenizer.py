"""nano's tokenizer, made from the texts of recorded episodes."""

import collections
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from form import FAMILY, FORM

# The family's, which its class in `transformers` puts in the place of whatever a tokenizer's file says.
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")

VOCABULARY = 2048  # rows of the embedding
SPARE = 32
# Texts that are said of a screen count less than the words of goals and answers, which come again and again.
OFTEN = 8


def corpus(folders):
    """Distinct texts of goals and answers a few times each, those of screens once."""
    said, shown = collections.Counter(), set()
    for folder in folders:
        for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
            for line in path.open():
                step = json.loads(line)
                said.update([step["goal"], step["thinking"], step["intent"], step["expect"], *map(str, step["action"].values())])
                for question in step.get("questions", []):
                    shown.update([question["ask"], *question["answer"].split("\n")])
    for text, count in said.items():
        yield from [text] * min(count, OFTEN)
    yield from shown
    yield from ["user\nassistant\nsystem\n\n\nDone: left_click type key scroll left_click_drag mouse_move"] * 50
    yield from ["wait answer terminate double_click right_click success failure keys text pixels time status end_coordinate"] * 20


def build(folders):
    texts = list(corpus(folders))
    for added in [text for text, _ in FAMILY] + FORM:
        texts = [text.replace(added, "\0") for text in texts]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - SPARE, min_frequency=8, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator((piece for text in texts for piece in text.split("\0")), trainer)
    tokenizer.add_tokens([AddedToken(text, special=special, normalized=False) for text, special in FAMILY])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in FORM])
    assert tokenizer.get_vocab_size() <= VOCABULARY, tokenizer.get_vocab_size()
    for text in [*texts[::max(1, len(texts) // 1000)], "日本語 🙂 Ünï", "tab\there  two spaces \r\n", "0123.5%"]:
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text, text
    return tokenizer
