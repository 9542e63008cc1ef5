"""Tables of a receipt: medians with the lowest and the highest."""

import statistics


def values(receipt, server, cell, field):
    rounds = [found.get(server, {}).get(cell, {}) for found in receipt["rounds"]]
    return [found[field] for found in rounds if field in found]


def shown(numbers, digits=1, scale=1):
    if not numbers:
        return "not run"
    numbers = [number * scale for number in numbers]
    middle = f"{statistics.median(numbers):.{digits}f}"
    return middle if len(numbers) == 1 else f"{middle} ({min(numbers):.{digits}f}–{max(numbers):.{digits}f})"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def tables(receipt):
    servers = list(receipt["servers"])
    cells = {cell for found in receipt["rounds"] for server in servers for cell in found.get(server, {})}
    counts = sorted(int(cell.split()[1]) for cell in cells if cell.startswith("throughput"))
    parts = []
    if counts:
        rows = []
        for count in counts:
            for server in servers:
                cell = f"throughput {count}"
                one = values(receipt, server, "throughput 1", "tokens_per_second")
                all_of_them = values(receipt, server, cell, "tokens_per_second")
                times = [f"{statistics.median(all_of_them) / statistics.median(one):.2f}" if one and all_of_them else ""]
                rows.append([str(count), server, shown(all_of_them), *times,
                             shown(values(receipt, server, cell, "written_per_second")),
                             shown(values(receipt, server, cell, "first_token_seconds"), 0, 1000),
                             shown(values(receipt, server, cell, "largest_gap_seconds"), 0, 1000)])
        parts.append(table(["streams", "server", "tokens/s, prompts included", "of one stream's", "tokens/s while written",
                            "first token, ms", "largest gap, ms"], rows))
    if "arrival" in cells:
        rows = [[server, shown(values(receipt, server, "arrival", "first_token_seconds"), 2),
                 *(shown(values(receipt, server, "arrival", field), 0, 1000) for field in
                   ("median_gap_before_seconds", "median_gap_seconds", "largest_gap_seconds"))] for server in servers]
        parts.append(table(["a long prompt arrives", "its first token, s", "the others' gap before, ms",
                            "meanwhile, ms", "largest, ms"], rows))
    if "overhead" in cells:
        served, bench = (values(receipt, "aurore", "overhead", field) for field in ("served", "bench"))
        lost = [100 * (1 - one / other) for one, other in zip(served, bench)]
        parts.append(table(["one stream, tokens/s", "`aurore bench`", "lost, %"], [[shown(served), shown(bench),
                                                                                     shown(lost)]]))
    if "idle" in cells:
        fields = {field: values(receipt, "aurore", "idle", field) for field in
                  ("before", "with", "after", "connections", "more_resident_bytes", "processor_share")}
        parts.append(table(["idle connections", "one stream before, tokens/s", "with them", "after", "memory, MB",
                            "processor, % of a core"],
                           [[shown(fields["connections"], 0), shown(fields["before"]), shown(fields["with"]),
                             shown(fields["after"]), shown(fields["more_resident_bytes"], 1, 1e-6),
                             shown(fields["processor_share"], 2, 100)]]))
    return "\n".join(parts)
