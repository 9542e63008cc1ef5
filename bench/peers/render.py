"""Tables and the bar chart from receipts: generated, never typed."""

import json
import sys
from html import escape

BEGIN, END = "<!-- peers: begin (python bench/peers --render) -->", "<!-- peers: end -->"


def rows(receipts):
    """(title, unit, bar, Aurore's result, best rival's name, its result, ratio, reasons); later receipts win."""
    found = {}
    for receipt in receipts:
        for key, cell in receipt["cells"].items():
            found[key] = cell
    for cell in found.values():
        whole = found.get(cell.get("of"), {}).get("results", {})
        for name, result in cell["results"].items():
            if name in whole and whole[name]["median"]:
                result["share"] = result["median"] / whole[name]["median"]
        own = cell["results"].get("aurore")
        rivals = {name: result for name, result in cell["results"].items() if name != "aurore"}
        lower = cell["unit"] != "tokens/s"
        best = None
        if rivals:
            best = (min if lower else max)(rivals, key=lambda name: rivals[name]["median"])
        ratio = None
        if own and best and own["median"] and rivals[best]["median"]:
            ratio = own["median"] / rivals[best]["median"]
            ratio = 1 / ratio if lower else ratio
        yield cell, own, best, rivals.get(best), ratio


def figure(result, unit):
    if not result:
        return "not run"
    middle = result["median"]
    spread = f" ({number(result['lowest'])}–{number(result['highest'])})" if len(result["values"]) > 1 else ""
    share = result.get("share")
    if share:
        spread += f", {share:.1f}× one" if share > 1.5 else f", {share:.0%} of quiet"
    return f"{number(middle)}{spread}" + ("" if unit == "tokens/s" else f" {unit}")


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(receipts):
    lines = ["| tokens/s unless said | Aurore | best rival | ratio | bar |", "|---|---|---|---|---|"]
    for cell, own, best, rival, ratio in rows(receipts):
        other = f"{figure(rival, cell['unit'])}, {best}" if rival else "not run"
        shown = f"**{ratio:.2f}×**" if ratio else ""
        lines.append(f"| {cell['title']} | {figure(own, cell['unit'])} | {other} | {shown} | {cell['bar']} |")
    last = receipts[-1]
    processor = last["machine"].get("model name", "?")
    lines += [
        "",
        f"{processor}, {last['threads']} threads, {', '.join(last['machine']['flags'])}; medians of {last['rounds']}"
        f" (lowest–highest), {last['date'][:10]}, commit {last['commit'][:7]}, "
        f"load {last['load_before'][0]:.1f} before and {last.get('load_after', [0])[0]:.1f} after.",
    ]
    notes = [f"{cell['title']}: {name}: {reason}" for cell, *_ in rows(receipts)
             for name, reason in cell["not_run"].items()]
    notes += [f"{name}: {reason}" for name, reason in last["not_there"].items()]
    if notes:
        lines += ["", "Not run:", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines)


def chart(receipts):
    """Ratios to the best rival as bars."""
    bars = [(cell["title"], ratio, best) for cell, _, best, _, ratio in rows(receipts) if ratio]
    width, left, step = 860, 330, 26
    longest = max([ratio for _, ratio, _ in bars] + [1.0])
    scale = (width - left - 190) / longest
    height = 56 + step * max(len(bars), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="Speed of Aurore over the best rival">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="15" font-weight="bold" fill="#1a1a1a">Aurore over the best rival, '
        "same machine, same run (1 = as fast)</text>",
    ]
    for index, (title, ratio, best) in enumerate(bars):
        top = 38 + index * step
        colour = "#2563a8" if ratio >= 1 else "#b4572e"
        parts += [
            f'<text x="{left - 8}" y="{top + 14}" text-anchor="end" fill="#1a1a1a">{escape(title)}</text>',
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
