// Untrusted text made safe to look at, and small helpers to put it on the page. Nothing here ever parses HTML.

// The list stands in the page, from the program's own one place for it.
const ranges = document.body.dataset.hidden.split(" ").map((range) => range.split("-").map((end) => parseInt(end, 16)));

function hides(code) {
  return ranges.some(([first, last]) => code >= first && code <= last);
}

// Text in which what cannot be seen is shown as ⟨U+202E⟩. Line breaks stay if `lines` says so.
export function reveal(text, lines = false) {
  let shown = "";
  for (const character of text ?? "") {
    const code = character.codePointAt(0);
    if (character === "\n") shown += lines ? "\n" : "⏎";
    else if (character === "\t") shown += " ";
    else if (hides(code)) shown += `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
    else shown += character;
  }
  return shown;
}

export const byId = (id) => document.getElementById(id);

// An element with attributes and children; strings become text.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : "";
}

export function seconds(time) {
  if (!(time >= 0)) return "";
  if (time < 0.095) return `${Math.round(time * 1000)} ms`;
  if (time < 60) return `${time.toFixed(1)} s`;
  return `${Math.floor(time / 60)} min ${String(Math.floor(time % 60)).padStart(2, "0")} s`;
}

export function clock(time) {
  const whole = Math.max(0, Math.ceil(time));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
