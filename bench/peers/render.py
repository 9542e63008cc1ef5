"""Tables and the bar chart from receipts: generated, never typed."""

import json
import sys
from dataclasses import dataclass
from html import escape

BEGIN, END = "<!-- peers: begin (python bench/peers --render) -->", "<!-- peers: end -->"
BEST = "the best one"


@dataclass
class Row:
    """A cell with Aurore's result, the best rival and the ratio of the two (above 1: Aurore is better)."""

    cell: dict
    own: dict | None
    best: str | None
    rival: dict | None
    ratio: float | None


def rows(receipts):
    """Of receipts of one instruction set; later ones win."""
    found = {}
    for receipt in receipts:
        found |= receipt["cells"]
    for cell in found.values():
        whole = found.get(cell.get("of"), {}).get("results", {})
        compare_with_whole(cell, whole)
        own = cell["results"].get("aurore")
        rivals = {name: result for name, result in cell["results"].items() if name != "aurore"}
        lower = cell["unit"] != "tokens/s"
        best = (min if lower else max)(rivals, key=lambda name: rivals[name]["median"]) if rivals else None
        ratio = None
        if own and best and own["median"] and rivals[best]["median"]:
            ratio = own["median"] / rivals[best]["median"]
            ratio = 1 / ratio if lower else ratio
        yield Row(cell, own, best, rivals.get(best), ratio)


def compare_with_whole(cell, whole):
    """Shares of the same tool's figure in the cell that this one is measured against."""
    tools = {}
    for name, result in whole.items():
        tool = name.split(" ")[0]
        tools[tool] = max(tools.get(tool, 0), result["median"])
    for name, result in cell["results"].items():
        if tools.get(name.split(" ")[0]):
            result["share"] = result["median"] / tools[name.split(" ")[0]]


def figure(result, unit, many):
    if not result:
        return "not run"
    text = number(result["median"])
    if len(result["values"]) > 1:
        text += f" ({number(result['lowest'])}–{number(result['highest'])})"
    if unit != "tokens/s":
        text += f" {unit}"
    if share := result.get("share"):
        text += f", {share:.1f}× one" if many else f", {share:.0%} of quiet"
    if limit := result.get("limit"):
        text += f", {result['median'] / limit:.0%} of the memory's {number(limit)}"
    return text


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def by_isa(receipts):
    groups = {}
    for receipt in receipts:
        groups.setdefault(receipt.get("isa", BEST), []).append(receipt)
    return groups


def table(receipts):
    parts = []
    for isa, group in by_isa(receipts).items():
        if isa != BEST:
            parts.append(f"Limited to {isa}:")
        parts.append(one_table(group))
    return "\n\n".join(parts)


def one_table(receipts):
    lines = ["| tokens/s unless said | Aurore | best rival | ratio | bar |", "|---|---|---|---|---|"]
    found = list(rows(receipts))
    for row in found:
        unit, many = row.cell["unit"], "one sequence" in row.cell["bar"]
        other = f"{figure(row.rival, unit, many)}, {row.best}" if row.rival else "not run"
        shown = f"**{row.ratio:.2f}×**" if row.ratio else ""
        lines.append(f"| {row.cell['title']} | {figure(row.own, unit, many)} | {other} | {shown} | {row.cell['bar']} |")
    last = receipts[-1]
    processor = last["machine"].get("model name", "?")
    lines += [
        "",
        f"{processor}, {last['threads']} threads, {', '.join(last['machine']['flags'])}; medians of "
        f"{last['rounds']} round{'s' * (last['rounds'] > 1)} (lowest–highest), {last['date'][:10]}, {commits(receipts)}, load "
        f"{last['load_before'][0]:.1f} before and {last.get('load_after', [0])[0]:.1f} after. "
        + "; ".join(f"{name} {version}" for name, version in last["versions"].items()) + ".",
    ]
    others = [busy for row in found for result in (row.own, row.rival) if result
              for busy in result.get("others", []) if busy is not None]
    if others:
        lines[-1] += f" Other programs kept {max(others):.2f} cores busy at the most during any figure shown."
    # What another setting was better at is in the receipt; here stands what was not measured at all.
    notes = [f"{row.cell['title']}: {name}: {reason}" for row in found
             for name, reason in row.cell["not_run"].items()
             if not reason.startswith(("no model or mode", "another setting"))]
    notes += [f"{name}: {reason}" for name, reason in last["not_there"].items()]
    if notes:
        lines += ["", "Not run:", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines)


def commits(receipts):
    """What the rows are of: a table can be put together from several runs."""
    of = {name: receipt["commit"][:7] for receipt in receipts for name in receipt["cells"]}
    counts = {}
    for commit in of.values():
        counts[commit] = counts.get(commit, 0) + 1
    if len(counts) == 1:
        return f"commit {next(iter(counts))}"
    return "commits " + ", ".join(f"{commit} ({count} row{'s' * (count > 1)})" for commit, count in counts.items())


def chart(receipts):
    """Ratios to the best rival as bars."""
    bars = [(row.cell["title"] + ("" if isa == BEST else f", {isa} only"), row.ratio, row.best)
            for isa, group in by_isa(receipts).items() for row in rows(group) if row.ratio]
    width, left, step = 980, 360, 26
    longest = max([ratio for _, ratio, _ in bars] + [1.0])
    scale = (width - left - 275) / longest
    height = 56 + step * max(len(bars), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="Speed of Aurore over the best rival">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="15" font-weight="bold" fill="#1a1a1a">Aurore over the best rival, '
        "in turns on the same machine (1 = as good)</text>",
    ]
    for index, (name, ratio, best) in enumerate(bars):
        top = 38 + index * step
        colour = "#2563a8" if ratio >= 1 else "#b4572e"
        parts += [
            f'<text x="{left - 8}" y="{top + 14}" text-anchor="end" fill="#1a1a1a">{escape(name)}</text>',
            f'<rect x="{left}" y="{top}" width="{ratio * scale:.1f}" height="{step - 8}" fill="{colour}"/>',
            f'<text x="{left + ratio * scale + 6:.1f}" y="{top + 14}" fill="#1a1a1a">{ratio:.2f}× '
            f'<tspan fill="#6b6b6b">{escape(best)}</tspan></text>',
        ]
    if not bars:
        parts.append('<text x="12" y="54" fill="#6b6b6b">no cell was run with Aurore and a rival</text>')
    one = left + scale
    parts += [f'<line x1="{one:.1f}" x2="{one:.1f}" y1="32" y2="{height - 12}" stroke="#1a1a1a" '
              'stroke-dasharray="3 3"/>', "</svg>"]
    return "\n".join(parts) + "\n"


def main(paths, readme, svg):
    receipts = [json.loads(path.read_text()) for path in paths]
    text = table(receipts)
    if svg:
        svg.write_text(chart(receipts))
    if not readme:
        print(text)
        return
    page = readme.read_text()
    if BEGIN not in page or END not in page:
        sys.exit(f"{readme} has no marks; put these two lines where the table belongs:\n{BEGIN}\n{END}")
    before, rest = page.split(BEGIN, 1)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}")
