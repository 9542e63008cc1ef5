"""Makes nano's tokenizer from the texts of captured episodes: `python -m train.tokenizer EPISODES.jsonl OUT`."""

import collections
import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from nano.form import FAMILY, FORM

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")

MERGEABLE = 1024 - 64
VOCABULARY = 1024  # rows of the embedding; a multiple of 64


def build(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=MERGEABLE, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_tokens([AddedToken(text, special=special, normalized=False) for text, special in FAMILY])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in FORM])
    return tokenizer


def corpus(path):
    """The words of prompts and answers, each distinct text a few times, so that rare words become tokens too."""
    seen = collections.Counter()
    for line in open(path):
        sample = json.loads(line)
        for text in (sample["goal"], sample["answer"], "\nDone: " + " ".join(sample["done"])):
            seen[text] += 1
    for text, count in seen.items():
        yield from [text] * min(count, 4)
    yield from ["user\nassistant\nsystem\nDone: left_click type key scroll"] * 50
    yield from ["wait answer terminate double_click right_click mouse_move success failure keys text pixels time status"] * 20


def main():
    lines = list(corpus(sys.argv[1]))
    for added in [text for text, _ in FAMILY] + FORM:
        lines = [line.replace(added, "\0") for line in lines]
    tokenizer = build(piece for line in lines for piece in line.split("\0"))
    out = pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    assert size <= VOCABULARY, size
    for line in list(open(sys.argv[1]))[:3000:300]:
        text = json.loads(line)["answer"]
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
        print(len(ids), tokenizer.encode(text).tokens)
    for text in ("日本語 🙂 Ünï", "tab\there  two spaces \r\n", "0123.5%"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    print("tokens:", size)


if __name__ == "__main__":
    main()
