"""Steps that quantisation is calibrated with and judged by: `python reference/nano/samples.py CHECKPOINT LEARNT HELD`.

Writes CHECKPOINT/samples: 64 steps of the episodes in LEARNT for calibration, 64 of those in HELD for judging, spread
over all of them.
"""

import json
import pathlib
import shutil
import sys

COUNT = 64


def call(action):
    lines = []
    for name, value in action.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"<parameter={name}>\n{text}\n</parameter>\n")
    return "<tool_call>\n<function=computer_use>\n" + "".join(lines) + "</function>\n</tool_call>"


def turn(step):
    done = step["did"][-8:]
    return {
        "prompt": step["goal"] + ("\nDone: " + "\n".join(done) if done else ""),
        "answer": f"{step['thinking']}\n</think>\n\nIntent: {step['intent']}\nExpect: {step['expect']}\n\n{call(step['action'])}",
    }


def main():
    folder, learnt, held = map(pathlib.Path, sys.argv[1:])
    out = folder / "samples"
    out.mkdir(exist_ok=True)
    for name, source in [("calibration", learnt), ("test", held)]:
        steps = [(source, json.loads(line)) for file in sorted(source.glob("*.jsonl")) for line in file.open()]
        with (out / f"{name}.jsonl").open("w") as lines:
            for number in range(COUNT):
                parent, step = steps[number * len(steps) // COUNT]
                picture = f"{name}-{number:02}.png"
                shutil.copy(parent / step["frame"], out / picture)
                lines.write(json.dumps({"image": picture, **turn(step)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
