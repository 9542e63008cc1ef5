"""Table and plot from a receipt: generated, never typed."""

import math
import statistics
import sys
from html import escape

BEGIN, END = "<!-- hybrid: begin (python bench/hybrid --render) -->", "<!-- hybrid: end -->"
NAMES = {"hybrid": "hybrid, as published", "full": "full attention in every layer"}
COLOURS = {"hybrid": "#2563a8", "full": "#b4572e"}
INK, PALE, LINE = "#1a1a1a", "#6b6b6b", "#d8d8d8"


def cells(receipt):
    """(layer types, depth, sequences) → the lines of all rounds; a single sequence before the others' depth too."""
    found = {}
    for lines in receipt["rounds"]:
        for line in lines:
            found.setdefault((line["layer_types"], line["depth"], line["batch"]), []).append(line)
    return found


def speeds(lines):
    values = [line["tokens_per_second"] for line in lines]
    return statistics.median(values), min(values), max(values)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(receipt, name):
    found = cells(receipt)
    rows = sorted({(batch, depth) for _, depth, batch in found})
    first = receipt["rounds"][0][0]
    text = [
        "![Decoding speed](hybrid.svg)",
        "",
        f"| decoding, {first['model']} sizes, weights in {first['quant']}, keys and values in {first['kv']} "
        "| hybrid, tokens/s | full attention, tokens/s | ratio | resident memory, hybrid / full |",
        "|---|---|---|---|---|",
    ]
    for batch, depth in rows:
        pair = [found.get((kind, depth, batch)) for kind in ("hybrid", "full")]
        if not all(pair):
            continue
        figures = [speeds(lines) for lines in pair]
        what = f"one sequence after {depth:,} tokens" if batch == 1 else f"{batch} sequences together, {depth:,} tokens each"
        shown = [f"{number(median)} ({number(low)}–{number(high)})" for median, low, high in figures]
        memory = [statistics.median(line["resident_bytes"] for line in lines) / 1e9 for lines in pair]
        text.append(f"| {what} | {shown[0]} | {shown[1]} | {figures[0][0] / figures[1][0]:.2f}× "
                    f"| {memory[0]:.1f} / {memory[1]:.1f} GB |")
    loads = [line["load_before"] for lines in receipt["rounds"] for line in lines]
    machine = receipt["machine"]
    changed = " with uncommitted changes" if receipt["uncommitted_changes"] else ""
    text += [
        "",
        f"Medians of {len(receipt['rounds'])} rounds in turns (lowest–highest), {receipt['date'][:10]}, commit "
        f"{receipt['commit'][:10]}{changed}, {machine.get('model name', machine['system'])}, {first['threads']} threads, "
        f"{first['isa']}, load before a run {min(loads):.1f}–{max(loads):.1f}: "
        f"[receipt](../bench/receipts/{name}).",
        "",
        "Known gaps:",
        "",
        *(f"- {gap}" for gap in receipt["known_gaps"]),
    ]
    return "\n".join(text)


def label(depth):
    return f"{depth // 1024}k" if depth >= 1024 else str(depth)


def text(x, y, content, anchor="middle", colour=INK, size=13, bold=False):
    weight = ' font-weight="bold"' if bold else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}"{weight}>'
            f"{escape(content)}</text>")


def ticks(most):
    """About four round steps up to `most`."""
    step = 10 ** math.floor(math.log10(most / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if most / (step * factor) <= 5)
    return [step * index for index in range(math.ceil(most / step) + 1)]


def axis(left, right, top, bottom, most):
    marks = ticks(most)
    height = lambda value: bottom - (bottom - top) * value / marks[-1]
    parts = []
    for mark in marks:
        y = height(mark)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}"/>')
        parts.append(text(left - 8, y + 4, f"{mark:g}", "end", PALE, 12))
    return parts, height


def depths_panel(found, left, right, top, bottom):
    """Tokens a second over the depth, of one sequence."""
    depths = sorted({depth for _, depth, batch in found if batch == 1})
    medians = {(kind, depth): speeds(found[kind, depth, 1]) for kind in NAMES for depth in depths
               if (kind, depth, 1) in found}
    parts, height = axis(left, right, top, bottom, 1.1 * max(high for _, _, high in medians.values()))
    logs = [math.log2(max(depth, 1)) for depth in depths]
    span = max(logs[-1] - logs[0], 1)
    across = lambda depth: left + 30 + (right - left - 60) * (math.log2(max(depth, 1)) - logs[0]) / span
    for depth in depths:
        parts.append(text(across(depth), bottom + 18, label(depth), colour=PALE, size=12))
    parts.append(text((left + right) / 2, bottom + 38, "tokens before (log scale)", colour=PALE, size=12))
    for kind in NAMES:
        points = [(across(depth), medians[kind, depth]) for depth in depths if (kind, depth) in medians]
        path = " ".join(f"{x:.1f},{height(median):.1f}" for x, (median, _, _) in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[kind]}" stroke-width="2.5"/>')
        for x, (median, low, high) in points:
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{height(low):.1f}" y2="{height(high):.1f}" '
                         f'stroke="{COLOURS[kind]}"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{height(median):.1f}" r="4" fill="{COLOURS[kind]}"/>')
            shift = -12 if kind == "hybrid" else 22
            parts.append(text(x, height(median) + shift, number(median), colour=COLOURS[kind], size=12))
    return parts


def together_panel(found, left, right, top, bottom):
    """Bars: all tokens a second of one sequence and of many together."""
    depth = max((depth for _, depth, batch in found if batch > 1), default=None)
    if depth is None:
        return [text((left + right) / 2, (top + bottom) / 2, "not measured", colour=PALE)]
    batches = sorted({batch for _, own, batch in found if own == depth})
    bars = [(batch, kind, speeds(found[kind, depth, batch])) for batch in batches for kind in NAMES
            if (kind, depth, batch) in found]
    parts, height = axis(left, right, top, bottom, 1.1 * max(high for _, _, (_, _, high) in bars))
    group = (right - left) / len(batches)
    wide = group * 0.3
    for place, batch in enumerate(batches):
        middle = left + group * (place + 0.5)
        what = "1 sequence" if batch == 1 else f"{batch} together"
        parts.append(text(middle, bottom + 18, what, colour=PALE, size=12))
        for side, kind in enumerate(NAMES):
            for own, own_kind, (median, low, high) in bars:
                if (own, own_kind) != (batch, kind):
                    continue
                x = middle + (side - 1) * (wide + 2) + 2 * side
                parts.append(f'<rect x="{x:.1f}" y="{height(median):.1f}" width="{wide:.1f}" '
                             f'height="{bottom - height(median):.1f}" fill="{COLOURS[kind]}"/>')
                parts.append(f'<line x1="{x + wide / 2:.1f}" x2="{x + wide / 2:.1f}" y1="{height(low):.1f}" '
                             f'y2="{height(high):.1f}" stroke="{INK}"/>')
                parts.append(text(x + wide / 2, height(high) - 6, number(median), colour=COLOURS[kind], size=12))
    parts.append(text((left + right) / 2, bottom + 38, f"{label(depth)} tokens before each", colour=PALE, size=12))
    return parts


def plot(receipt):
    found = cells(receipt)
    first = receipt["rounds"][0][0]
    width, height, top, bottom = 900, 400, 96, 330
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img" '
        'aria-label="Decoding speed, hybrid against full attention in every layer">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(16, 26, f"Decoding, {first['model']} sizes, weights in {first['quant']}, {first['threads']} threads: "
             "tokens a second", "start", size=15, bold=True),
    ]
    for place, (kind, name) in enumerate(NAMES.items()):
        x = 16 + place * 200
        parts.append(f'<rect x="{x}" y="40" width="14" height="14" fill="{COLOURS[kind]}"/>')
        parts.append(text(x + 20, 52, name, "start"))
    parts.append(text(60, 80, "one sequence", "start", size=13, bold=True))
    parts.append(text(560, 80, "many sequences, all tokens together", "start", size=13, bold=True))
    parts += depths_panel(found, 60, 500, top, bottom)
    parts += together_panel(found, 560, 880, top, bottom)
    return "\n".join([*parts, "</svg>"]) + "\n"


def main(receipt, name, docs):
    page = docs / "hybrid.md"
    content = page.read_text()
    if BEGIN not in content or END not in content:
        sys.exit(f"{page} has no marks; put these two lines where the table belongs:\n{BEGIN}\n{END}")
    before, rest = content.split(BEGIN, 1)
    page.write_text(f"{before}{BEGIN}\n{table(receipt, name)}\n{END}{rest.split(END, 1)[1]}")
    (docs / "hybrid.svg").write_text(plot(receipt))
