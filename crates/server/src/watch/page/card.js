// The question: what would be done, why the rules ask, and exactly what each answer allows.

import { build as buildBeforehand } from "./beforehand.js";
import { WAITING, answering, countdown } from "./reply.js";
import { draw } from "./screen.js";
import { byId, capital, el, reveal, svg } from "./text.js";

const card = byId("answer");
let shown = null;
let under = null;

const TIERS = { 1: "tier 1: free", 2: "tier 2: asked once", 3: "tier 3: asked each time, right before", 4: "tier 4: the person's own hands" };

function row(name, value, kind = "") {
  return value ? [el("dt", {}, name), el("dd", { class: kind }, value)] : [];
}

// The part of the screen that it is about, large enough to read.
function closeUp(question, size) {
  const point = question.point ?? question.points[0];
  const bounds = question.bounds ?? (point && { x: point.x, y: point.y, width: 1, height: 1 });
  if (!bounds || !size) return null;
  const width = Math.min(size.width, Math.max(bounds.width * 1.6, 300));
  const height = Math.min(size.height, Math.max(bounds.height * 1.8, 110));
  const x = Math.min(Math.max(0, bounds.x + bounds.width / 2 - width / 2), size.width - width);
  const y = Math.min(Math.max(0, bounds.y + bounds.height / 2 - height / 2), size.height - height);
  const picture = svg("svg", { class: "close", role: "img", "aria-label": "the target on the screen" });
  const over = svg("g", {});
  draw(over, size, question.points, question.bounds);
  over.removeAttribute("viewBox");
  picture.append(svg("image", { href: `/frames/${question.frame}`, width: size.width, height: size.height }), over);
  picture.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
  return picture;
}

function scopes(question) {
  if (question.scopes.length === 0) return [[], []];
  const buttons = [];
  const items = question.scopes.map((scope, index) => {
    const button = el("button", { type: "button", "data-scope": index }, "Allow");
    buttons.push(button);
    const earlier = scope.earlier.length === 0
      ? "Nothing earlier in this run would have been covered."
      : "Would have covered:";
    return el("li", {},
      el("div", {}, el("b", {}, reveal(scope.words)), el("p", {}, earlier),
        scope.earlier.length === 0 ? null : el("ul", {}, ...scope.earlier.map((words) => el("li", {}, reveal(words))))),
      button);
  });
  const list = el("div", { class: "scopes" },
    el("h3", {}, "Or allow from now on, for the rest of this run"), el("ol", {}, ...items));
  return [list, buttons];
}

function build(question, size) {
  const { target, verdict } = question;
  const once = el("button", { type: "button", class: "yes" }, "Allow once");
  const word = el("textarea", { rows: 2, maxlength: 2000, "aria-label": "A word to the model, if you say no", placeholder: "A word to the model, if you say no" });
  const deny = el("button", { type: "button", class: "no" }, "Deny");
  const stop = el("button", { type: "button", class: "no" }, "Deny and end the run");
  const [list, more] = scopes(question);
  const wait = el("span", { class: "wait" });
  const ready = el("p", { class: "ready" }, WAITING);
  const actions = el("div", { class: "yes-row" }, once, ready);
  const why = el("p", { class: "why" }, `${capital(reveal(verdict.why))}. ${capital(reveal(verdict.rule.reason))}. `,
    el("code", {}, reveal(`${verdict.rule.layer}/${verdict.rule.name}`)), ` ${TIERS[verdict.tier] ?? ""}`);
  const thinking = question.thinking
    ? el("blockquote", { tabindex: 0, "aria-label": "Thinking" }, reveal(question.thinking, true))
    : null;
  card.replaceChildren(
    el("div", { class: "head" }, el("h2", { id: "card-name" }, "The rules ask"), wait),
    el("p", { class: "deed" }, reveal(capital(question.words))),
    ...[closeUp(question, size)].filter(Boolean),
    ...[thinking].filter(Boolean),
    why,
    el("dl", {},
      ...row("Page", reveal(question.url ?? question.origin), "place"),
      ...row("Value", target?.value ? reveal(target.value) : ""),
      ...row("Leads to", target?.link ? reveal(target.link) : "", "place"),
      ...row("Amounts", target?.amounts?.length ? reveal([...new Set(target.amounts)].join(" · ")) : ""),
      ...row("Sent to", target?.form?.submits ? reveal(target.form.action) : "", "place"),
      ...row("Intent", reveal(question.intent)),
      ...row("Expects", reveal(question.expect)),
      ...row("A yes allows", reveal(question.grants))),
    actions,
    ...(more.length ? [list] : []),
    el("div", { class: "no-row" }, word, el("div", {}, deny, stop)));
  const armed = answering(card, question, actions, ready, [
    [once, () => ({ answer: "yes" })],
    [deny, () => ({ answer: "no", reason: word.value.trim() })],
    [stop, () => ({ answer: "stop" })],
    ...more.map((button, index) => [button, () => ({ answer: "yes", scope: index })]),
  ]);
  return { armed, ticking: countdown(wait, question, "it is a no") };
}

// Shows the open question, or none. A question that is shown is not built again: what is typed in it stays.
export function showQuestion(question, size, budgets) {
  if ((question?.id ?? null) === shown) return;
  shown = question?.id ?? null;
  under?.armed.end();
  clearInterval(under?.ticking);
  under = null;
  card.hidden = !question;
  card.classList.remove("armed");
  if (question) {
    const beforehand = Boolean(question.items);
    under = beforehand ? buildBeforehand(card, question, budgets) : build(question, size);
    byId("urgent").textContent = beforehand ? "It is asked once what this run may do." : `The rules ask: ${reveal(question.words)}?`;
  } else {
    card.replaceChildren();
    byId("urgent").textContent = "";
  }
}
