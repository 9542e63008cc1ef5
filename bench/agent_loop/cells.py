"""What agents and their clients do to a conversation between two requests."""

import random
from dataclasses import dataclass, field

WORDS = ("button left right press click field dialog text row page close message open list item name value total order "
         "report window menu link table cell sum date user step next back done").split()


@dataclass
class Cell:
    """Requests that were sent before, the one that is measured, and how much more than the ideal it may read."""

    key: str
    what: str
    slack: int
    before: list = field(default_factory=list)
    after: list = None


def text(seed, words):
    """Words that are the same for the same seed, and soon differ for others."""
    dice = random.Random(seed)
    return " ".join(f"{dice.choice(WORDS)} {dice.randrange(1000)}" for _ in range(words))


def message(role, content, thinking=None):
    return {"role": role, "content": content} | ({"reasoning_content": thinking} if thinking else {})


def talk(seed, words, turns=4):
    """A system turn of a sixth, turns of a user and an assistant, and a user's question; about so many words."""
    each = words * 5 // 6 // (2 * turns + 1)
    messages = [message("system", text(seed, words // 6))]
    for turn in range(turns):
        messages.append(message("user", text(seed + 1 + turn, each)))
        messages.append(message("assistant", text(seed + 100 + turn, each)))
    return [*messages, message("user", text(seed + 200, each))]


def cells(seed, scale):
    """All cells; `scale` is words per token, so that lengths in tokens are about those that the names say."""
    def words(tokens):
        return max(1, round(tokens * scale))

    def edited(messages, at, keep):
        """The content of a message after `keep` words of it is another one of the same length."""
        old = messages[at]["content"].split(" ")
        fresh = text(seed + 999, len(old)).split(" ")
        changed = messages[at] | {"content": " ".join(old[:keep * 2] + fresh[keep * 2:len(old)])}
        return [*messages[:at], changed, *messages[at + 1:]]

    base = talk(seed, words(5900))
    appended = [*base, message("assistant", text(seed + 300, words(60))), message("user", text(seed + 301, words(145)))]
    yield Cell("append", "213 tokens more", 64, [base], appended)

    seed += 1000
    thought = talk(seed, words(5600))
    thought += [message("assistant", text(seed + 300, words(90)), text(seed + 301, words(150)))]
    plain = [*thought[:-1], message("assistant", thought[-1]["content"])]
    tail = message("user", text(seed + 302, words(180)))
    yield Cell("thinking", "thinking of the last answer removed", 64, [thought[:-1], [*thought, tail]], [*plain, tail])

    seed += 1000
    base = talk(seed, words(5900))
    last = len(base[-1]["content"].split(" ")) // 2
    yield Cell("last-50", "last 50 tokens changed", 512, [base], edited(base, len(base) - 1, last - words(42)))

    seed += 1000
    base = talk(seed, words(5900))
    # Of nine messages after a system turn of a sixth, 4,400 tokens end in the seventh.
    yield Cell("edit", "an edit at about token 4,400", 512, [base], edited(base, 7, words(150)))

    seed += 1000
    system = message("system", text(seed, words(3000)))
    ask = [message("user", text(seed + number, words(505))) for number in (1, 2)]
    yield Cell("session", "a new session with the same system prompt", 64, [[system, ask[0]]], [system, ask[1]])

    seed += 1000
    start = talk(seed, words(2000), 1)
    steps = [start]
    for step in range(4):
        call = message("assistant", text(seed + 300 + step, words(40)), text(seed + 310 + step, words(200)))
        steps.append([*steps[-1], call, message("tool", text(seed + 320 + step, words(330)))])
    bare = [{name: part for name, part in said.items() if name != "reasoning_content"} for said in steps[-1]]
    yield Cell("new-turn", "a new user turn after four tool steps, their thinking dropped", 64, steps,
               [*bare, message("user", text(seed + 400, words(60)))])
