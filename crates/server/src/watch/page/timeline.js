// The time line: a bar in which each step takes the room of its time, and a strip of what was seen.

import { held } from "./state.js";
import { byId, clock, el, reveal, seconds } from "./text.js";
import { OUTCOMES, VERDICTS } from "./now.js";

const PACE = 1400;
const strip = byId("strip");
let picked = null;
let playing = null;
let steps = [];
let redraw = () => {};

function kind(step) {
  if (step.outcome) return OUTCOMES[step.outcome]?.[0] ?? "calm";
  return step.verdict ? VERDICTS[step.verdict.decision][0] : "calm";
}

function part(name, time) {
  const piece = el("i", { class: name });
  piece.style.flexGrow = Math.max(0, time) * 1000;
  return piece;
}

function segment(state, step, now) {
  const to = step.over ?? now;
  const total = Math.max(0.15, (to - step.began) / 1000 || step.seconds || 0);
  const rest = held(state, step.began, to) / 1000;
  const waited = step.asked ? ((step.answered ?? now) - step.asked) / 1000 : 0;
  const thought = Math.min(step.thinking_seconds ?? (step.decided ? (step.decided - step.began) / 1000 : total), total);
  const piece = el("span", { class: `segment ${kind(step)}`, title: `Step ${step.number}: ${seconds(total)}` },
    part("thought", thought), part("waited", waited), part("held", rest),
    part("acted", Math.max(0.05, total - thought - waited - rest)));
  piece.style.flexGrow = Math.sqrt(total);
  piece.classList.toggle("picked", step.number === picked);
  piece.addEventListener("click", () => pick(step.number));
  return piece;
}

function stop(step, isLive, began) {
  const words = reveal(step.words ?? (step.over ? "no usable action" : "thinking"));
  const button = el("button", { type: "button", "aria-current": step.number === picked || isLive ? "step" : null,
    "aria-label": `Step ${step.number}: ${words}${step.outcome ? `, ${OUTCOMES[step.outcome]?.[1] ?? ""}` : ""}` },
    el("img", { src: step.frame ? `/frames/${step.frame}` : "/icon.svg", alt: "", loading: "lazy" }),
    el("span", { class: `number ${kind(step)}` }, String(step.number)),
    el("span", { class: "words" }, words),
    el("time", {}, clock((step.began - began) / 1000)));
  button.addEventListener("click", () => pick(step.number));
  return el("li", {}, button);
}

// Picks a step to look at; null for what happens now.
export function pick(number) {
  picked = number;
  redraw();
  const current = strip.querySelector("[aria-current]");
  current?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

export function pickedStep() {
  return picked;
}

function play() {
  if (playing) {
    clearInterval(playing);
    playing = null;
  } else {
    const first = picked === null || picked === steps.at(-1)?.number ? steps[0] : null;
    if (first) pick(first.number);
    playing = setInterval(() => {
      const at = steps.findIndex((step) => step.number === picked);
      if (at < 0 || at + 1 >= steps.length) play();
      else pick(steps[at + 1].number);
    }, PACE);
  }
  const button = byId("play");
  button.setAttribute("aria-pressed", String(Boolean(playing)));
  button.textContent = playing ? "Stop" : "Play";
}

let before = "";

// Shows all steps. `changed` is called when another one is picked.
export function showTimeline(state, changed) {
  redraw = changed;
  steps = [...state.steps.values()].sort((one, other) => one.number - other.number);
  byId("live").hidden = picked === null;
  byId("live").textContent = state.end ? "To the end" : "Live";
  byId("play").hidden = !state.end || steps.length < 2;
  byId("legend").hidden = steps.length === 0;
  byId("line").replaceChildren(...steps.map((step) => segment(state, step, state.ended || Date.now())));
  const key = JSON.stringify([picked, state.end === null, steps.map((step) => [step.number, step.words, step.frame, step.outcome, step.verdict?.decision])]);
  if (key === before) return;
  before = key;
  const hadFocus = strip.contains(document.activeElement);
  const focused = hadFocus ? [...strip.querySelectorAll("button")].indexOf(document.activeElement) : -1;
  strip.replaceChildren(...steps.map((step) => stop(step, picked === null && !state.end && step.number === state.current, state.began)));
  if (focused >= 0) strip.querySelectorAll("button")[focused]?.focus();
  if (picked === null) strip.scrollLeft = strip.scrollWidth;
}

byId("play").addEventListener("click", play);
byId("live").addEventListener("click", () => {
  if (playing) play();
  pick(null);
});
strip.addEventListener("keydown", (event) => {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!way) return;
  const buttons = [...strip.querySelectorAll("button")];
  const next = buttons[buttons.indexOf(document.activeElement) + way];
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.click();
});
