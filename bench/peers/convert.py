"""llama.cpp's converter on an exported shape: its own code, with the pre-tokeniser named and all tokens in use.

    python bench/peers/convert.py LLAMA_CPP_SOURCE 0.8B-hf --no-mtp --outtype bf16 --outfile 0.8B-BF16.gguf

The converter knows a pre-tokeniser by the hash of what it does to one text, and stops at any vocabulary that it has
not seen. A shape with random weights carries a small tokeniser of the family, whose splits are the family's: the name
is known, the hash is not. All options after the source folder go to `convert_hf_to_gguf.py`.
"""

import pathlib
import runpy
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    script = source / "convert_hf_to_gguf.py"
    if not script.is_file():
        sys.exit(f"{script} is not there: the first argument is the folder of llama.cpp's source")
    sys.path[:0] = [str(source), str(source / "gguf-py")]
    import gguf
    from conversion.base import TextModel

    vocabulary = TextModel.get_vocab_base

    def all_in_use(model):
        """Tokens beyond the small vocabulary are ordinary ones: an unused token has no text to be told by."""
        tokens, kinds, name = vocabulary(model)
        unused, normal = gguf.TokenType.UNUSED, gguf.TokenType.NORMAL
        return tokens, [normal if kind == unused else kind for kind in kinds], name

    TextModel.get_vocab_base_pre = lambda _self, _tokenizer: "qwen35"
    TextModel.get_vocab_base = all_in_use
    sys.argv = [str(script), *sys.argv[2:]]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
