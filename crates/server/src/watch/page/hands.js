// Operating the browser by hand: on the picture with pointer, wheel and keyboard, or with the fields below it, which do
// the same without a pointer. Everything is judged, written down and bound like what the model does.

import { send } from "./api.js";
import { notice } from "./reply.js";
import { byId, el, reveal } from "./text.js";

const AGAIN = 260;
const PAUSE = 450;
const MOVED = 8;
const shot = byId("shot");
const frame = byId("frame");
const bar = byId("hands");
let look = null;
let active = false;
// What the next thing is for, where a person shows how something is done.
const purpose = el("input", { "aria-label": "What the next thing is for", placeholder: "What is the next thing for? One line, or nothing", autocomplete: "off", maxlength: 300 });

// Does something; its number, if it was taken.
async function act(action) {
  if (!active || !look) return undefined;
  try {
    const wish = { frame: look.frame, action };
    const { number } = await send("/runs/current/hand", purpose.value ? { ...wish, purpose: purpose.value } : wish);
    purpose.value = "";
    notice("");
    return number;
  } catch (error) {
    notice(error.message);
    return undefined;
  }
}

const click = (at, button, count) => act({ kind: "click", button, count, at, modifiers: [] });
const press = (name, modifiers = []) => act({ kind: "key", chord: { modifiers, key: name } });

function at(event) {
  const box = frame.getBoundingClientRect();
  const place = (value, start, length, pixels) => Math.min(pixels - 1, Math.max(0, Math.floor((value - start) * pixels / length)));
  return { x: place(event.clientX, box.left, box.width, look.size.width), y: place(event.clientY, box.top, box.height, look.size.height) };
}

let from = null;
const NONE = { count: 0, timer: null, now: () => undefined };
let clicks = NONE;
shot.addEventListener("pointerdown", (event) => {
  if (!active || !event.isTrusted || event.button > 1) return;
  event.preventDefault();
  shot.focus({ preventScroll: true });
  from = { ...at(event), clientX: event.clientX, clientY: event.clientY, button: event.button };
});
shot.addEventListener("pointerup", (event) => {
  if (!active || !from || !event.isTrusted) return;
  const start = { x: from.x, y: from.y };
  const far = Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY);
  const button = from.button === 1 ? "middle" : "left";
  from = null;
  if (far > MOVED) {
    act({ kind: "drag", path: [start, at(event)], modifiers: [] });
    return;
  }
  clearTimeout(clicks.timer);
  const count = Math.min(3, clicks.count + 1);
  const now = () => {
    clearTimeout(clicks.timer);
    clicks = NONE;
    return click(start, button, count);
  };
  clicks = { count, timer: setTimeout(now, AGAIN), now };
});
shot.addEventListener("contextmenu", (event) => {
  if (!active) return;
  event.preventDefault();
  click(at(event), "right", 1);
});

let turned = null;
shot.addEventListener("wheel", (event) => {
  if (!active) return;
  event.preventDefault();
  const first = turned === null;
  turned = { dx: (turned?.dx ?? 0) + event.deltaX, dy: (turned?.dy ?? 0) + event.deltaY, at: at(event) };
  if (!first) return;
  setTimeout(() => {
    const { dx, dy, at: place } = turned;
    turned = null;
    act({ kind: "scroll", at: place, dx: Math.round(dx), dy: Math.round(dy), modifiers: [] });
  }, AGAIN);
}, { passive: false });

let typed = "";
let waiting = null;
function flush() {
  clearTimeout(waiting);
  const text = typed;
  typed = "";
  return text ? act({ kind: "type", text }) : undefined;
}

// Does at once what waits for a second click or another letter; the number of the last of it.
export async function hurry() {
  const pressed = await clicks.now();
  return (await flush()) ?? pressed;
}
const KEYS = ["Enter", "Tab", "Escape", "Backspace", "Delete", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];
shot.addEventListener("keydown", (event) => {
  if (!active || event.target !== shot || event.isComposing) return;
  const modifiers = [["control", event.ctrlKey], ["shift", event.shiftKey], ["alt", event.altKey], ["meta", event.metaKey]]
    .filter(([, held]) => held).map(([name]) => name);
  const chord = event.ctrlKey || event.metaKey || event.altKey;
  if (event.key.length === 1 && !chord) {
    typed += event.key;
    clearTimeout(waiting);
    waiting = setTimeout(flush, PAUSE);
  } else if (event.key.length === 1 || (KEYS.includes(event.key) && !(event.key === "Tab" && event.shiftKey && event.ctrlKey))) {
    flush();
    press(event.key, modifiers);
  } else {
    return;
  }
  event.preventDefault();
});

function field(label, button, attributes, use) {
  const input = el("input", { "aria-label": label, placeholder: label, autocomplete: "off", spellcheck: "false", ...attributes });
  const go = el("button", { type: "submit" }, button);
  const form = el("form", { class: "field" }, input, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!input.value) return;
    use(input.value);
    input.value = "";
  });
  return form;
}

function build() {
  const key = el("select", { "aria-label": "Key" }, ...KEYS.map((name) => el("option", {}, name)));
  const go = (kind) => () => act({ kind });
  bar.replaceChildren(
    el("div", { class: "lesson", hidden: true }, el("p", { class: "asked" }), purpose),
    el("p", {}, el("b", {}, "The browser is in your hands."), " Click, scroll and type on the picture, or use these. The rules still bind, and everything is written down."),
    el("div", { class: "rows" },
      field("Type into what has the focus", "Type", {}, (text) => act({ kind: "type", text })),
      el("div", { class: "field" }, key, el("button", { type: "button", onclick: () => press(key.value) }, "Press")),
      field("Open an address", "Open", { type: "url" }, (url) => act({ kind: "open_url", url })),
      el("div", { class: "field" },
        el("button", { type: "button", onclick: go("back") }, "Back"),
        el("button", { type: "button", onclick: go("forward") }, "Forward"))),
    el("p", { class: "done", role: "status" }));
}
build();

const WORDS = { done: "Done", no_effect: "Done, nothing changed", refused: "Refused", failed: "Not done" };

// Lets the person operate the picture, or no longer; shows what came of the last thing done by hand.
export function hands(state) {
  look = state.look;
  const now = state.mode === "hands" && state.wanted === "hands" && !state.end;
  if (now !== active) {
    active = now;
    bar.hidden = !now;
    typed = "";
    if (now) {
      shot.setAttribute("tabindex", "0");
      shot.setAttribute("role", "application");
      shot.setAttribute("aria-label", "The browser, in your hands: clicks and keys go to it");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) shot.removeAttribute(name);
    }
    shot.classList.toggle("open", now);
  }
  const lesson = bar.querySelector(".lesson");
  lesson.hidden = !state.lesson;
  if (state.lesson) {
    const asked = `Show how it is done, ${state.lesson.number} of ${state.lesson.of}. Press Done when it is, or Drop it if something went wrong.`;
    if (lesson.firstElementChild.textContent !== asked) lesson.firstElementChild.textContent = asked;
  }
  const last = state.hands.at(-1);
  if (!now) return;
  if (!last) {
    bar.querySelector(".done").textContent = "";
    return;
  }
  const said = `${WORDS[last.outcome] ?? last.outcome}: ${reveal(last.words)}${last.result ? `. ${reveal(last.result)}` : ""}`;
  const place = bar.querySelector(".done");
  if (place.textContent !== said) place.textContent = said;
  place.className = `done ${["done", "no_effect"].includes(last.outcome) ? "" : "bad"}`;
}
