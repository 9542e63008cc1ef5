"""Scripted experts: for each task, JavaScript that reads the page and says what to click, and words for it.

An expert runs inside the page (`AIM` gives it `aim`), sees the document, and returns
`{box, point, say}`: the target's box and the point to click in CSS pixels, and what `texts.py` puts into words.
The model never sees any of this: only the pixels and the goal.
"""

AIM = """
// The point of `element` farthest from what covers it; null when it can't be hit.
function aim(element, say) {
  const r = element.getBoundingClientRect();
  const left = Math.max(r.left, 0), top = Math.max(r.top, 0);
  const right = Math.min(r.right, 160), bottom = Math.min(r.bottom, 210);
  const box = [left, top, right, bottom];
  const seen = [], hidden = [];
  for (let i = 0; i < 5; i++) for (let j = 0; j < 5; j++) {
    const x = left + (right - left) * (i + 0.5) / 5, y = top + (bottom - top) * (j + 0.5) / 5;
    const hit = document.elementFromPoint(x, y);
    (hit && (hit === element || element.contains(hit)) ? seen : hidden).push([x, y]);
  }
  if (seen.length < 3) return null;
  let point = [(left + right) / 2, (top + bottom) / 2];
  const far = (p) => Math.min(p[0] - left, right - p[0], p[1] - top, bottom - p[1],
    ...hidden.map((h) => Math.max(Math.abs(h[0] - p[0]), Math.abs(h[1] - p[1]))));
  if (hidden.length > 1) for (const p of seen) if (far(p) > far(point) + 0.01) point = p;
  return { box, point, say: say || {} };
}
const all = (selector) => Array.from(document.querySelectorAll(selector));
"""

# Task -> JavaScript that returns aim(...) for the step whose number is `step`.
EXPERTS = {
    "click-test": "return aim(document.querySelector('#subbtn'));",
    "click-test-2": "return aim(document.querySelector('#subbtn'));",
    "click-dialog": "return aim(document.querySelector('button.ui-button'));",
    "click-dialog-2": """
        const label = /labeled "(.*)"/.exec(goal)[1];
        const button = label === 'x' ? document.querySelector('.ui-dialog-titlebar button')
          : all('.ui-dialog-buttonset button').find((b) => b.textContent === label);
        return aim(button, { label });""",
    "focus-text": "return aim(document.querySelector('#tt'));",
    "focus-text-2": """
        const nth = /the (...) input/.exec(goal)[1];
        return aim(document.querySelector('#tt' + nth[0]), { nth });""",
    "grid-coordinate": """
        const place = /\\((.*)\\)/.exec(goal)[0];
        return aim(document.getElementById(place), { place });""",
    "click-tab": """
        const label = /Tab #\\d/.exec(goal)[0];
        return aim(all('#area ul a').find((a) => a.textContent === label), { label });""",
    "click-color": """
        const colour = /on the (.*) colored/.exec(goal)[1];
        return aim(document.querySelector('#area [data-color=' + colour + ']'), { colour });""",
    "click-widget": """
        const kind = /"(.*)"/.exec(goal)[1];
        return aim(document.querySelector('#area [data-type=' + kind + ']'), { kind });""",
    "identify-shape": """
        const figure = document.querySelector('#area_svg').firstElementChild;
        const kind = { rect: 'rectangle', circle: 'circle', polygon: 'triangle' }[figure.tagName]
          || (/\\d/.test(figure.textContent) ? 'digit' : 'letter');
        const button = document.querySelector('[data-type=' + kind + ']');
        return aim(button, { kind, label: button.textContent, colour: figure.getAttribute('fill') });""",
    "click-button": """
        const label = /"(.*)"/.exec(goal)[1];
        return aim(all('#area button').find((b) => b.textContent === label), { label });""",
    "enter-text": """
        const name = /"(.*)"/.exec(goal)[1];
        return aim(document.querySelector(step < 2 ? '#tt' : '#subbtn'), { name });""",
    "app/cookies": """
        const label = goal.split(' ')[0];
        return aim(document.querySelector('.' + label.toLowerCase()), { label });""",
    "app/dialog": "return aim(document.querySelector('[role=dialog] button'));",
    "app/colour": """
        const colour = goal.split(' ')[2];
        return aim(document.querySelector('[aria-label=' + colour + ']'), { colour });""",
    "app/newsletter": "return aim(document.querySelector('#email'));",
    "app/tabs": """
        const label = goal.split(' ')[2];
        return aim(all('[role=tab]').find((t) => t.textContent === label), { label });""",
    "app/checkout": "return aim(document.querySelector('.pay'));",
}
TASKS = list(EXPERTS)

# Tasks of several steps: JavaScript that brings the page to the state before step 1, 2, ...
ADVANCE = {
    "enter-text": {
        1: "document.querySelector('#tt').focus();",
        2: "document.querySelector('#tt').focus(); document.querySelector('#tt').value = /\"(.*)\"/.exec(goal)[1];",
    },
}


def steps(task):
    return 1 + len(ADVANCE.get(task, {}))


def script(task, step):
    """The body of `function (index)`: advances the page and answers {goal, box, point, say} or null."""
    goal = "aurore.goal" if task.startswith("app/") else "core.getUtterance()"
    return f"""{AIM}
      const goal = {goal}, step = {step};
      {ADVANCE.get(task, {}).get(step, "")}
      const answer = (() => {{ {EXPERTS[task]} }})();
      return answer && {{ ...answer, goal }};"""
