// One step in words: the one under way, or the one that was picked; and the plan.

import { byId, capital, el, reveal, seconds } from "./text.js";

export const VERDICTS = { allow: ["good", "allowed"], ask: ["warn", "asked"], deny: ["bad", "denied"] };
export const OUTCOMES = {
  done: ["good", "done"],
  no_effect: ["warn", "done, nothing changed"],
  refused: ["bad", "not done"],
  failed: ["bad", "failed"],
  unusable: ["bad", "unusable"],
  ended: ["calm", "the run ends"],
};

function chip([kind, word]) {
  return el("span", { class: `chip ${kind}` }, word);
}

function item(name, ...value) {
  return value.some(Boolean) ? [el("dt", {}, name), el("dd", {}, ...value)] : [];
}

function asked(approval) {
  const when = new Date(approval.at_ms).toLocaleTimeString();
  const note = approval.note ? ` “${reveal(approval.note)}”` : "";
  return item("Asked", chip(approval.allowed ? ["good", "yes"] : ["bad", "no"]),
    el("span", { class: "by" }, `${reveal(approval.by)}, ${when}`), el("p", { class: "why" }, note.trim()));
}

function handed(hand) {
  const [kind, word] = OUTCOMES[hand.outcome] ?? ["calm", hand.outcome];
  const said = kind === "good" ? "" : ` (${word}${hand.result ? `: ${reveal(hand.result)}` : ""})`;
  return el("li", {}, reveal(hand.words), el("span", { class: "why" }, said));
}

let before = "";

// Shows a step. `live`: it is the one under way.
export function showStep(step, live, byHand) {
  const place = byId("now");
  const key = JSON.stringify([step, live, byHand.length]);
  if (key === before) return;
  before = key;
  const name = el("h2", { id: "now-name" }, step ? `Step ${step.number}` : "Nothing decided yet");
  if (!step) {
    place.replaceChildren(name);
    return;
  }
  const times = [step.thinking_seconds > 0 ? `thought for ${seconds(step.thinking_seconds)}` : "", step.seconds ? `${seconds(step.seconds)} in all` : ""];
  const verdict = step.verdict;
  const thinking = el("blockquote", { class: live && !step.decided ? "streaming" : null, tabindex: 0, "aria-label": "Thinking" }, reveal(step.thinking, true));
  const result = step.result && step.result !== "Done." ? reveal(step.result, true) : "";
  place.replaceChildren(
    el("div", { class: "head" }, name, el("span", {}, times.filter(Boolean).join(", "))),
    ...(step.thinking ? [thinking] : live ? [el("p", { class: "why" }, "Thinking …")] : []),
    el("dl", {},
      ...item("Intent", reveal(step.intent)),
      ...item("Expects", reveal(step.expect)),
      ...item("Action", step.words ? el("b", {}, reveal(step.words)) : null),
      ...(verdict ? item("Verdict", chip(VERDICTS[verdict.decision]),
        el("code", {}, reveal(`${verdict.rule.layer}/${verdict.rule.name}`)),
        el("p", { class: "why" }, `${capital(reveal(verdict.why))}. ${capital(reveal(verdict.rule.reason))}.`)) : []),
      ...(step.approval ? asked(step.approval) : []),
      ...(byHand.length ? item("By hand", el("ul", { class: "hand-list" }, ...byHand.map(handed))) : []),
      ...(step.outcome ? item("Result", chip(OUTCOMES[step.outcome] ?? ["calm", step.outcome]), result ? el("p", { class: "why" }, result) : null) : [])));
  if (live) thinking.scrollTop = thinking.scrollHeight;
}

// Shows what a person has shown so far.
export function showLesson(hands) {
  const place = byId("now");
  const key = JSON.stringify(["lesson", hands.length]);
  if (key === before) return;
  before = key;
  place.replaceChildren(
    el("h2", { id: "now-name" }, hands.length ? "Shown so far" : "Nothing shown yet"),
    ...(hands.length ? [el("ul", { class: "hand-list" }, ...hands.map(handed))] : []));
}

const MARKS = { open: "to do", done: "done", dropped: "given up" };

// Shows the plan with what shows that its parts are done, and the notes that are carried from page to page.
export function showPlan(plan) {
  const place = byId("plan");
  const goals = plan?.goals ?? [];
  const notes = plan?.notes ?? [];
  place.hidden = goals.length + notes.length === 0;
  if (place.hidden) return;
  const next = goals.findIndex((goal) => goal.state === "open");
  const done = goals.filter((goal) => goal.state === "done").length;
  const items = goals.map((goal, index) => el("li", { class: `${goal.state}${index === next ? " next" : ""}` },
    el("span", { class: "unseen" }, `${MARKS[goal.state]}: `), el("span", {}, reveal(goal.text)),
    goal.evidence ? el("p", { class: "why" }, reveal(goal.evidence), goal.step ? ` (step ${goal.step})` : "") : null));
  const remembered = notes.map((note) => el("li", {}, reveal(note.text), " ", el("span", { class: "why" }, reveal(note.origin))));
  place.replaceChildren(
    el("div", { class: "head" }, el("h2", { id: "plan-name" }, goals.length ? "Plan" : "Notes"),
      el("span", {}, goals.length ? `${done} of ${goals.length}` : "")),
    ...(goals.length ? [el("ol", { class: "items" }, ...items)] : []),
    ...(goals.length && notes.length ? [el("h3", {}, "Notes")] : []),
    ...(notes.length ? [el("ul", { class: "notes" }, ...remembered)] : []));
}

// What was allowed for more than once, and by whom: up front, and by answers that reach further.
export function showAllowed(state) {
  const place = byId("allowed");
  const said = (approval) => `${reveal(approval.by)}, ${new Date(approval.at_ms).toLocaleTimeString()}`;
  const items = [...state.steps.values()]
    .filter((step) => step.over && step.approval?.allowed && step.approval.note !== "this once")
    .map((step) => [capital(reveal(step.approval.note)), `step ${step.number}, ${said(step.approval)}`]);
  const beforehand = state.upFront?.approval;
  if (beforehand) items.unshift([beforehand.allowed ? capital(reveal(beforehand.note)) : "Nothing up front", said(beforehand)]);
  for (const words of state.earlier) items.unshift([capital(reveal(words)), "before the run was interrupted"]);
  place.hidden = items.length === 0;
  const key = JSON.stringify(items);
  if (place.hidden || place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(
    el("div", { class: "head" }, el("h2", { id: "allowed-name" }, "Allowed for this run")),
    el("ul", {}, ...items.map(([words, who]) => el("li", {}, words, " ", el("span", { class: "why" }, who)))));
}
