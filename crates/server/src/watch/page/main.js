// Joins the parts: events in, one state, everything drawn from it.

import { listen, send } from "./api.js";
import { showQuestion } from "./card.js";
import { hands, hurry } from "./hands.js";
import { showAllowed, showLesson, showPlan, showStep } from "./now.js";
import { notice } from "./reply.js";
import { place, show } from "./screen.js";
import { doing, fresh, planAt, take as fold } from "./state.js";
import { byId, capital, reveal, seconds } from "./text.js";
import { pick, pickedStep, showTimeline } from "./timeline.js";

const state = fresh();
let connected = false;
let drawing = false;
let said = "";

function head() {
  byId("goal").textContent = state.goal ? reveal(state.goal) : "Waiting for a run";
  document.title = `${state.question ? "● " : ""}${state.goal ? reveal(state.goal) : "Aurore"}`;
  const [kind, word] = connected || state.end ? doing(state) : ["gone", "not connected"];
  const pill = byId("state");
  pill.className = `state ${kind}`;
  pill.lastElementChild.textContent = word;
  const time = state.began ? ((state.ended || Date.now()) - state.began) / 1000 : 0;
  const most = state.budgets ? ` of at most ${state.budgets.steps}` : "";
  byId("facts").textContent = state.run
    ? [reveal(state.principal), `run ${state.run}`, `step ${state.current}${most}`, seconds(time)].join(" · ")
    : "";
  const over = !state.run || Boolean(state.end) || Boolean(state.killedBy) || !connected;
  const held = state.wanted !== "running";
  const pause = byId("pause");
  pause.disabled = over || state.wanted === "hands";
  pause.textContent = state.wanted === "paused" ? "Go on" : "Pause";
  const drop = byId("drop");
  pause.hidden = Boolean(state.lesson);
  drop.hidden = !state.lesson;
  drop.disabled = over || state.wanted !== "hands";
  const take = byId("take");
  take.disabled = over;
  take.textContent = state.lesson ? "Done" : state.wanted === "hands" ? "Give back" : "Take over";
  if (state.lesson) take.disabled = over || state.wanted !== "hands";
  byId("kill").disabled = over;
  byId("kill").textContent = state.lesson ? "Stop recording" : "Kill";
  document.body.classList.toggle("held", held && !state.end);
  if (word !== said) {
    said = word;
    byId("said").textContent = state.end ? `The run has ended: ${reveal(state.end.message)}` : `The run is ${word}`;
  }
}

function end() {
  if (!state.end) {
    const place = byId("notice");
    if (place.dataset.end === "shown") {
      delete place.dataset.end;
      place.classList.remove("good", "bad");
      notice("");
    }
    return;
  }
  const good = ["reached", "finished", "answered"].includes(state.end.kind);
  const place = byId("notice");
  if (place.dataset.end !== "shown") {
    place.dataset.end = "shown";
    notice(state.end.message);
    place.classList.add(good ? "good" : "bad");
  }
}

function draw() {
  drawing = false;
  head();
  end();
  const picked = pickedStep();
  const live = picked === null;
  const step = state.steps.get(picked ?? state.current);
  showQuestion(state.question, state.look?.size, state.budgets);
  if (state.lesson && !step) showLesson(state.hands);
  else showStep(step, live && !state.end, state.hands.filter((hand) => hand.step === step?.number));
  // The question says all of this, and more.
  byId("now").hidden = live && state.question !== null && (state.question.step || undefined) === step?.number;
  showPlan(planAt(state, picked ?? state.current));
  showAllowed(state);
  showTimeline(state, again);
  place(state.look);
  hands(state);
  const now = live ? state.look?.frame : step?.frame;
  const marked = step && (!live || (!step.over && step.frame === now)) && state.mode !== "hands";
  const alt = step?.words ? `The screen, before: ${reveal(step.words)}` : "What the screen shows";
  show(now, (live ? state.look?.size : step?.size) ?? state.look?.size,
    marked ? { points: step.points, bounds: step.target?.bounds, alt } : {});
}

function again() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

async function order(word) {
  try {
    await send(`/runs/current/${word}`);
    notice("");
  } catch (error) {
    notice(error.message);
  }
}

byId("pause").addEventListener("click", () => order(state.wanted === "paused" ? "resume" : "pause"));
// Waits until what was begun by hand is done; whether the run still goes on then.
async function settled() {
  const run = state.run;
  const number = await hurry();
  const goesOn = () => !state.end && state.run === run;
  while (number !== undefined && goesOn() && connected && !state.hands.some((hand) => hand.number === number)) {
    await new Promise((on) => { setTimeout(on, 50); });
  }
  return goesOn();
}

byId("take").addEventListener("click", async () => {
  pick(null);
  // The page that is shown may itself have found it done meanwhile.
  if (state.lesson && !(await settled())) return;
  order(state.wanted === "hands" ? "give_back" : "take");
});
byId("drop").addEventListener("click", () => order("drop"));
byId("kill").addEventListener("click", () => order("kill"));
byId("invite").addEventListener("click", async () => {
  try {
    const { url } = await send("/links");
    const link = byId("link");
    link.textContent = `${url} (works once)`;
    link.hidden = false;
  } catch (error) {
    notice(error.message);
  }
});

listen((event) => {
  fold(state, event);
  again();
}, (is) => {
  connected = is;
  if (!is && state.end) notice(`${capital(state.end.message)}. The program has ended; \`aurore replay ${state.run} --html\` shows the run again.`);
  again();
});
setInterval(again, 1000);
again();
