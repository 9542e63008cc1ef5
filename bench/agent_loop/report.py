"""A receipt as tables."""

NAMES = {"append": "213 tokens more", "thinking": "thinking of the last answer removed",
         "last-50": "last 50 tokens changed", "edit": "an edit near token 4,400",
         "session": "a new session, same system prompt", "new-turn": "a new user turn after four tool steps",
         "resend": "unchanged"}


def render(found):
    parts = []
    for title, part in (("the server goes on", "cells"), ("after a restart", "after_restart")):
        servers = {name: server for name, server in found["servers"].items() if server[part]}
        if servers:
            parts.append(table(title, part, servers))
    cold = [f"{name} {server['cold']['seconds']:.1f} s for {server['cold']['tokens']:,} tokens"
            for name, server in found["servers"].items()]
    return "\n\n".join([*parts, f"Cold: {'; '.join(cold)}."])


def table(title, part, servers):
    names = list(servers)
    lines = [f"| {title} | ideal | {' | '.join(f'{name}: read | first token' for name in names)} |",
             f"|---|---|{'---|---|' * len(names)}"]
    for key in dict.fromkeys(key for server in servers.values() for key in server[part]):
        cells = [server[part].get(key) for server in servers.values()]
        tokens = next(cell for cell in cells if cell)
        figures = [f"{cell['read']:,} | {cell['seconds']:.2f} s" if cell else "not run | " for cell in cells]
        lines.append(f"| {NAMES[key]} | {tokens['ideal']:,} of {tokens['tokens']:,} | {' | '.join(figures)} |")
    return "\n".join(lines)
