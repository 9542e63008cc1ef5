// The question before the first step: what the goal calls for, item by item, each with what exactly a yes allows.

import { WAITING, answering, countdown } from "./reply.js";
import { capital, el, reveal } from "./text.js";

const NOT = "Nothing that pays, orders, books, sends, publishes or deletes is among it: that is asked about each time, right before, with what it says then.";

function chips(kind, texts) {
  return texts.length ? el("ul", { class: `chips ${kind}` }, ...texts.map((text) => el("li", {}, reveal(text)))) : null;
}

function item(one, index) {
  const box = el("input", { type: "checkbox", id: `item-${index}`, checked: true });
  return [box, el("li", {},
    box,
    el("div", {},
      el("label", { for: `item-${index}` }, reveal(capital(one.what))),
      chips("with", one.with),
      chips("on", one.places),
      el("details", {}, el("summary", {}, "The rule, exactly"), el("pre", { tabindex: 0 }, reveal(one.rule, true)))))];
}

// Builds the card. `budgets`: what the run may use up. Returns its buttons' arming and its countdown.
export function build(card, question, budgets) {
  const [boxes, items] = question.items.map(item).reduce(([some, more], [box, li]) => [[...some, box], [...more, li]], [[], []]);
  const all = () => boxes.every((box) => box.checked);
  const yes = el("button", { type: "button", class: "yes" });
  const no = el("button", { type: "button", class: "no" }, "Allow none: ask when each comes");
  const stop = el("button", { type: "button", class: "no" }, "End the run");
  const ready = el("p", { class: "ready" }, WAITING);
  const actions = el("div", { class: "yes-row" }, yes, ready);
  const wait = el("span", { class: "wait" });
  const label = () => {
    const count = boxes.filter((box) => box.checked).length;
    yes.textContent = all() ? (boxes.length > 1 ? `Allow all ${boxes.length} for this run` : "Allow it for this run") : `Allow ${count} of ${boxes.length} for this run`;
    yes.classList.toggle("none", count === 0);
  };
  for (const box of boxes) box.addEventListener("change", label);
  label();
  const limits = budgets ? `It may take ${budgets.steps} steps, ${Math.round(budgets.time.secs / 60)} minutes and ${budgets.questions} questions at most.` : "";
  card.replaceChildren(
    el("div", { class: "head" }, el("h2", { id: "card-name" }, "Before the first step"), wait),
    el("p", { class: "deed" }, "The goal calls for this. Allow it once, for the whole run?"),
    el("ol", { class: "items" }, ...items),
    el("p", { class: "why" }, `For this run and for ${reveal(question.principal)} alone. ${NOT} ${limits}`),
    actions,
    el("div", { class: "no-row" }, el("div", {}, no, stop)));
  const chosen = () => boxes.flatMap((box, index) => (box.checked ? [index] : []));
  const armed = answering(card, question, actions, ready, [
    [yes, () => (all() ? { answer: "yes" } : { answer: "yes", items: chosen() })],
    [no, () => ({ answer: "no" })],
    [stop, () => ({ answer: "stop" })],
  ]);
  return { armed, ticking: countdown(wait, question, "none is allowed") };
}
