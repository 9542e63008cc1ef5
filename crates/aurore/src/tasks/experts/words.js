// What the experts of all tasks share: where things are, what can be done, and words for both.
//
// A move is {act, point, to, text, keys, amount, box, see, intent, expect, note}: points and boxes in CSS pixels of the
// window, `note` a word that the expert is told again at its later moves of the episode.

const all = (selector, inside) => Array.from((inside || document).querySelectorAll(selector));
const one = (selector, inside) => (inside || document).querySelector(selector);
const words = (element) => element.textContent.replace(/\s+/g, ' ').trim();
const shown = (element) => !!element && element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
const quoted = (goal) => Array.from(goal.matchAll(/"([^"]*)"/g), (match) => match[1]);
const ordinal = (text) => parseInt(text, 10) - 1;

// The part of an element that is in the window.
function box(element) {
  const r = element.getBoundingClientRect();
  return [Math.max(r.left, 0), Math.max(r.top, 0), Math.min(r.right, innerWidth), Math.min(r.bottom, innerHeight)];
}

// Where a box is, in words.
function place([left, top, right, bottom]) {
  const x = (left + right) / 2 / innerWidth, y = (top + bottom) / 2 / innerHeight;
  const column = x < 0.38 ? 'left' : x > 0.62 ? 'right' : '';
  const row = y < 0.42 ? 'top' : y > 0.7 ? 'bottom' : '';
  if (!row && !column) return 'in the middle';
  if (!row) return 'at the ' + column;
  return 'at the ' + (column ? row + ' ' + column : row);
}

// The point of an element that is farthest from its edges and from what covers it; nothing if it can't be hit.
function aim(element) {
  if (!element || !shown(element)) return null;
  const [left, top, right, bottom] = box(element);
  if (right - left < 1 || bottom - top < 1) return null;
  const seen = [], hidden = [];
  for (let i = 0; i < 5; i++) for (let j = 0; j < 5; j++) {
    const x = left + (right - left) * (i + 0.5) / 5, y = top + (bottom - top) * (j + 0.5) / 5;
    const hit = document.elementFromPoint(x, y);
    (hit && (hit === element || element.contains(hit)) ? seen : hidden).push([x, y]);
  }
  if (!seen.length) return null;
  let point = [(left + right) / 2, (top + bottom) / 2];
  const far = (p) => Math.min(p[0] - left, right - p[0], p[1] - top, bottom - p[1],
    ...hidden.map((h) => Math.max(Math.abs(h[0] - p[0]), Math.abs(h[1] - p[1]))));
  const middle = document.elementFromPoint(point[0], point[1]);
  if (hidden.length && !(middle && (middle === element || element.contains(middle)))) point = seen[0];
  if (hidden.length > 1) for (const p of seen) if (far(p) > far(point) + 0.01) point = p;
  return point;
}

// Clicks an element that is called `name`; `why` completes "…, so".
function click(element, name, why, expect, more) {
  const point = aim(element);
  if (!point) return null;
  const at = box(element);
  return {
    act: 'left_click', point, box: at,
    see: `${name} is ${place(at)}, so ${why || 'I click it'}.`,
    intent: `Click ${lower(name)}.`, expect: expect || `${name} is clicked.`, ...more,
  };
}
const lower = (name) => name.charAt(0).toLowerCase() + name.slice(1);

const press = (element, name, expect) => click(element, `The button ${name}`, 'I press it', expect || 'The task is done.');

// Writes into a field what should stand in it; nothing if it does. `known` says where the text comes from.
function fill(field, text, name, known) {
  text = String(text);
  if (!field || field.value === text) return null;
  const lead = known ? known + ' ' : '';
  if (document.activeElement !== field) {
    const move = click(field, name, 'I click into it', `${name} has the cursor.`);
    return move && { ...move, see: lead + move.see };
  }
  if (field.value && String(getSelection()) !== field.value) {
    return { act: 'key', keys: ['ctrl', 'a'], box: box(field), see: `${name} holds ${field.value}, which is to be replaced.`,
      intent: 'Mark what is there.', expect: 'The old text is marked.' };
  }
  return { act: 'type', text, box: box(field), see: `${lead}${name} has the cursor, so I type ${text}.`,
    intent: `Type ${text}.`, expect: `${name} shows ${text}.` };
}

// Scrolls what can be scrolled at an element, so many pixels down.
function scroll(element, amount, see, expect) {
  const at = box(element);
  return { act: 'scroll', point: [(at[0] + at[2]) / 2, (at[1] + at[3]) / 2], amount, box: at, see,
    intent: amount > 0 ? 'Scroll down.' : 'Scroll up.', expect: expect || 'The next part appears.' };
}

// Brings an element of a scrolled part into its middle; nothing if it can be clicked.
function reveal(element, part) {
  const inner = element.getBoundingClientRect(), outer = part.getBoundingClientRect();
  const over = (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
  if (inner.top >= outer.top && inner.bottom <= Math.min(outer.bottom, innerHeight)) return null;
  return scroll(part, Math.round(over), over > 0 ? 'It must be farther down.' : 'It must be farther up.', 'It comes into sight.');
}

function drag(from, to, see, intent, expect, more) {
  return { act: 'left_click_drag', point: from, to, see, intent, expect, ...more };
}
const key = (keys, see, intent, expect, more) => ({ act: 'key', keys, see, intent, expect, ...more });
const first = (...moves) => { for (const move of moves) { const made = typeof move === 'function' ? move() : move; if (made) return made; } return null; };
