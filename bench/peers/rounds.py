"""One cell: all contestants in turns."""

import os
import re
import statistics

from process import NotRun, without_places

# A setting that one look has shown to be slower than its tool's best by this much is not taken again.
OF_ITS_TOOL = 1.1
# Cores that others may keep busy before a figure is taken again, and how often that is tried at the most; one that
# takes long is not: on a machine that is never quiet it would take hours.
OTHERS, TRIES, LONG = 0.15, 3, 60
# A contestant this far behind the best rival after one round cannot become the best rival.
OUT_OF_REACH = 1.5


def title(tool, variant):
    return tool.name if tool.name == "aurore" else f"{tool.name} {variant}"


def setting(name):
    """What two cells call the same: a title without the server's and the threads' part."""
    return re.sub(r" \d+ thread$", "", name.replace(" server ", " "))


def contestants(cell, there, earlier, near=OF_ITS_TOOL):
    """(tool, variant) that run, {name: why} of the rest, and those of the rest that may run in the place of one that fails,
    the fastest first. `earlier` has results of an earlier look at this cell, or of this run at a shorter one; `near` is how
    far a setting may be behind its tool's best."""
    chosen, reasons = [], {}
    for tool in there:
        variants = tool.variants(cell)
        if variants is None:
            # Another program of the same project answers here.
            continue
        if not variants:
            reasons[tool.name] = f"no model or mode of about the same bits ({cell.quant})"
        chosen += [(tool, variant) for variant in variants]
    if not earlier:
        return chosen, reasons, []
    seen = {}
    for name, result in earlier["results"].items():
        # Of several numbers of threads the first is that of the run.
        seen.setdefault(setting(name), result["median"])
    lower = earlier.get("unit", cell.unit) != "tokens/s"
    kept, slower = [], []
    for tool, variant in chosen:
        own = {setting(title(tool, one)) for other, one in chosen if other is tool} & set(seen)
        name = setting(title(tool, variant))
        if own and (name not in seen or behind(lower, seen[name], [seen[one] for one in own]) > near):
            reasons[title(tool, variant)] = "another setting of it was faster in an earlier look"
            if name in seen:
                slower.append((seen[name], tool, variant))
        else:
            kept.append((tool, variant))
    slower.sort(key=lambda one: one[0] if lower else -one[0])
    return kept, reasons, [(tool, variant) for _, tool, variant in slower]


def behind(lower_is_better, figure, others):
    """How many times the best of the others is better."""
    best = min(others) if lower_is_better else max(others)
    return figure / best if lower_is_better else best / max(figure, 1e-9)


def measure(cell, there, rounds, earlier=None, near=OF_ITS_TOOL, wrong=(), tries=TRIES):
    """All in turns, `rounds` times; one that fails is out, with the reason, and the next of its tool's settings takes its
    place where none is left. `wrong` names contestants whose output was found wrong: their speed means nothing."""
    rounds = min(rounds, cell.rounds or rounds)
    running, reasons, spare = contestants(cell, there, earlier, near)
    for tool, variant in [*running, *spare]:
        base = " ".join(filter(None, [variant.quant, variant.note]))
        if f"{tool.name} {base}" in wrong or f"{tool.name} server {base}" in wrong:
            reasons[title(tool, variant)] = "its output is wrong: see `outputs`"
            (running if (tool, variant) in running else spare).remove((tool, variant))
    results = {}
    for number in range(rounds):
        turns = list(running)
        while turns:
            tool, variant = turns.pop(0)
            name = title(tool, variant)
            load = os.getloadavg()[0]
            try:
                measured = undisturbed(tool, cell, variant, tries)
            except NotRun as reason:
                reasons[name] = str(reason)
                running.remove((tool, variant))
                results.pop(name, None)
                other = next((one for one in spare if one[0] is tool), None)
                if number == 0 and other and not any(one is tool for one, _ in running):
                    spare.remove(other)
                    reasons.pop(title(*other), None)
                    running.append(other)
                    turns.append(other)
                continue
            result = results.setdefault(name, {"command": without_places(measured.command), "values": [],
                                               "load": [], "others": [], "seconds": [], "limits": []})
            result["values"] += [round(value, 4) for value in measured.values]
            result["load"].append(round(load, 2))
            result["others"].append(None if measured.others is None else round(measured.others, 2))
            result["seconds"].append(round(measured.seconds, 1))
            if measured.limit:
                result["limits"].append(round(measured.limit, 2))
            result["last"] = measured.raw
            print(f"{cell.key:18} {number + 1}/{rounds}  {name:34} {statistics.median(measured.values):10.2f} "
                  f"{cell.unit}  (others {measured.others or 0:.2f} cores, took {measured.seconds:.0f} s)", flush=True)
        if number == 0:
            leave_out_of_reach(cell, running, results)
    for result in results.values():
        values = result["values"]
        result |= {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        limits = result.pop("limits")
        if limits:
            result["limit"] = statistics.median(limits)
    for name, reason in reasons.items():
        print(f"{cell.key:18} not run: {name}: {reason}", flush=True)
    return {"title": cell.title, "unit": cell.unit, "bar": cell.bar, "of": cell.of, "rounds": rounds,
            "results": results, "not_run": reasons}


def undisturbed(tool, cell, variant, tries):
    """One measurement; where something else wanted the cores meanwhile the least disturbed of a few."""
    best = None
    for _ in range(tries):
        measured = tool.measure(cell, variant)
        if best is None or (measured.others or 0) < best.others:
            best = measured
        if (measured.others or 0) <= OTHERS or measured.seconds > LONG:
            break
        print(f"{cell.key:18} disturbed: {title(tool, variant)}: others kept {measured.others:.2f} cores busy", flush=True)
    return best


def leave_out_of_reach(cell, running, results):
    """After one round: who is far behind the best rival, or behind another setting of its own, keeps that one figure."""
    firsts = {name: statistics.median(result["values"]) for name, result in results.items() if name != "aurore"}
    for tool, variant in list(running):
        name = title(tool, variant)
        if tool.name == "aurore":
            continue
        own = [firsts[title(other, one)] for other, one in running if other is tool]
        if behind(cell.lower_is_better, firsts[name], firsts.values()) > OUT_OF_REACH:
            results[name]["one_round"] = "too far behind the best rival to become it"
        elif behind(cell.lower_is_better, firsts[name], own) > OF_ITS_TOOL:
            results[name]["one_round"] = "another setting of it was faster"
    running[:] = [(tool, variant) for tool, variant in running if "one_round" not in results[title(tool, variant)]]


def seconds(cell, there, rounds, earlier):
    """How long this cell will take, from what an earlier look took; none where there was none."""
    if not earlier:
        return None
    rounds = min(rounds, cell.rounds or rounds)
    kept, _, _ = contestants(cell, there, earlier)
    names = {title(tool, variant) for tool, variant in kept}
    results = {name: result for name, result in earlier["results"].items() if name in names}
    rivals = [result["median"] for name, result in results.items() if name != "aurore"]
    total = 0
    for name, result in results.items():
        once = name != "aurore" and rivals and behind(cell.lower_is_better, result["median"], rivals) > OUT_OF_REACH
        total += statistics.mean(result["seconds"]) * (1 if once else rounds)
    return total
