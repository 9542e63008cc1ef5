"""A look at a rival's output before its speed is quoted: finite, the same twice, and about what the official
implementation computes from the same weights."""

import math
import re

from process import NotRun
from server import LlamaServer, Server
from variant import Variant

# Longer than the pieces that rivals cut a prompt into (512): what is carried over is looked at too.
TOKENS = 640
TOP = 100
PADDED = re.compile(r"\[PAD(\d+)\]")


def look(servers, official, shape="0.8B"):
    """What each format and packing of each server gives after the same ids."""
    expected, found = None, {}
    if official and official.folder(shape):
        try:
            line, *_ = official.ask("logits", Variant("f32"), TOKENS, shape)
            expected = {int(token): value for token, value in line["top"].items()}
            found["transformers f32"] = {"looks": "right", "why": "what the others are compared with"}
        except NotRun as reason:
            found["transformers f32"] = {"looks": "unknown", "why": str(reason)}
    for server in servers:
        for variant in variants(server, shape):
            try:
                found[f"{server.name} {variant}"] = judge(server, variant, shape, expected)
            except NotRun as reason:
                found[f"{server.name} {variant}"] = {"looks": "unknown", "why": str(reason)}
    return found


def variants(server: LlamaServer, shape):
    from table import Cell

    return [variant for quant in ("q8", "q4", "bf16")
            for variant in server.variants(Cell("", "", "image", quant, shape=shape))]


def judge(server, variant, shape, expected):
    rows = []
    with Server(server.command(shape, variant, 4096), 300) as running:
        for _ in range(2):
            rows.append(likeliest(running.complete(TOKENS, 1, TOP)))
    one, two = rows
    if not one:
        return {"looks": "unknown", "why": "it gave no probabilities"}
    if not all(math.isfinite(value) for value in one.values()):
        return {"looks": "wrong", "why": "values that are not finite"}
    same = one == two
    result = {"looks": "right", "same_twice": same}
    if expected:
        near = sorted(expected, key=expected.get, reverse=True)[:10]
        kept = sum(token in one for token in near)
        # Logits of random weights lie close together: rounding changes their order, noise loses them altogether.
        result["official_top_10_in_its_top_100"] = kept
        if kept < 5:
            result |= {"looks": "wrong", "why": f"{kept} of the official implementation's 10 likeliest among its 100"}
    if not same:
        result |= {"looks": "wrong", "why": "another answer to the same question"}
    return result


def likeliest(answer):
    """Token → log-probability, of either server's answer; none that it shortened to zero."""
    steps = answer.get("completion_probabilities") or [{}]
    first = steps[0]
    rows = first.get("top_logprobs") or first.get("probs") or first.get("top_probs") or []
    found = {}
    for index, row in enumerate(rows):
        value = row.get("logprob")
        if value is None:
            chance = row.get("prob", 0)
            value = math.log(chance) if chance > 0 else -math.inf
        token = row.get("id")
        if token is None:
            # `convert.py` makes every token beyond the small vocabulary tell its number.
            named = PADDED.fullmatch(row.get("tok_str", ""))
            token = int(named[1]) if named else f"{index}: {row.get('tok_str')}"
        if value > -math.inf:
            found[token] = value
    return found
