// What the page knows: every event, in order, folded into one state. Whoever comes late gets all events again.

export function fresh() {
  return {
    run: null, goal: "", principal: "", budgets: null, began: 0,
    look: null, steps: new Map(), current: 0, question: null, plan: null, upFront: null, earlier: [],
    mode: "running", wanted: "running", hands: [], holds: [], lesson: null, end: null, ended: 0, last: 0,
  };
}

function step(state, number, at) {
  if (!state.steps.has(number)) {
    state.steps.set(number, { number, began: at, thinking: "", frame: state.look?.frame, size: state.look?.size });
    state.current = Math.max(state.current, number);
  }
  return state.steps.get(number);
}

const on = {
  began(state, event) {
    // Another run at the same page: nothing of the one before is left.
    if (state.run && state.run !== event.run) {
      const { lesson, last } = state;
      Object.assign(state, fresh(), { lesson, last });
    }
    Object.assign(state, { run: event.run, goal: event.goal, principal: event.principal, budgets: event.budgets });
    state.began = state.began || event.at_ms;
    state.plan = event.plan ?? state.plan;
    state.earlier = event.allowed ?? [];
    Object.assign(state, { end: null, mode: "running", wanted: state.lesson ? "hands" : "running" });
  },
  lesson(state, event) {
    state.lesson = event;
  },
  looked(state, event) {
    state.look = event;
  },
  thinking(state, event) {
    const now = step(state, event.step, event.at_ms);
    const before = event.from === 0 ? "" : [...now.thinking].slice(0, event.from).join("");
    now.thinking = before + event.text;
  },
  decided(state, event) {
    Object.assign(step(state, event.step, event.at_ms), {
      thinking: event.thinking, intent: event.intent, expect: event.expect, words: event.words, points: event.points,
      target: event.target, verdict: event.verdict, frame: event.frame, decided: event.at_ms,
      ...(event.plan ? { plan: event.plan } : {}),
    });
  },
  asked(state, event) {
    state.question = event;
    step(state, event.step, event.at_ms).asked = event.at_ms;
  },
  asked_up_front(state, event) {
    state.question = { ...event, step: 0 };
    state.upFront = event;
  },
  answered(state, event) {
    if (state.question?.id === event.id) state.question = null;
    if (event.step === 0) {
      if (state.upFront?.id === event.id) state.upFront = { ...state.upFront, approval: event };
      return;
    }
    Object.assign(step(state, event.step, event.at_ms), { approval: event, answered: event.at_ms });
  },
  acting(state, event) {
    step(state, event.step, event.at_ms).acting = event.at_ms;
  },
  step(state, event) {
    const { number, frame, ...rest } = event;
    const done = step(state, number, event.at_ms);
    for (const [key, value] of Object.entries(rest)) if (value !== null && value !== "") done[key] = value;
    Object.assign(done, { frame: frame ?? done.frame, over: event.at_ms, after: state.look?.frame });
  },
  wanted(state, event) {
    Object.assign(state, { wanted: event.mode, wantedBy: event.by });
  },
  mode(state, event) {
    state.mode = event.mode;
    const last = state.holds.at(-1);
    if (last && !last.to) last.to = event.at_ms;
    if (event.mode !== "running") state.holds.push({ from: event.at_ms });
  },
  hand(state, event) {
    state.hands.push(event);
  },
  killed(state, event) {
    state.killedBy = event.by;
  },
  ended(state, event) {
    Object.assign(state, { end: { kind: event.kind, message: event.message }, ended: event.at_ms, question: null });
  },
};

// Takes an event in. What this page does not know yet is left out.
export function take(state, event) {
  state.last = event.sequence;
  on[event.event]?.(state, event);
}

// What the run does now, in a word and words.
export function doing(state) {
  if (state.end) return ["ended", "ended"];
  if (!state.run) return ["quiet", "waiting"];
  if (state.killedBy) return ["stop", "stopping"];
  if (state.mode === "hands") return ["hands", "in your hands"];
  if (state.mode === "paused") return ["held", "paused"];
  if (state.wanted === "paused") return ["held", "pausing"];
  if (state.wanted === "hands") return ["hands", "taking over"];
  if (state.question) return ["asks", "asks you"];
  const now = state.steps.get(state.current);
  if (now && !now.over && now.acting) return ["acts", "acting"];
  return ["thinks", "thinking"];
}

// The plan and the notes as they stood after a step: the newest that it or one before it changed.
export function planAt(state, number) {
  let [newest, plan] = [0, state.plan];
  for (const step of state.steps.values()) {
    if (step.plan && step.number >= newest && step.number <= number) [newest, plan] = [step.number, step.plan];
  }
  return plan;
}

// Milliseconds of a stretch of time in which the run was held.
export function held(state, from, to) {
  return state.holds.reduce((sum, hold) => sum + Math.max(0, Math.min(to, hold.to ?? to) - Math.max(from, hold.from)), 0);
}
