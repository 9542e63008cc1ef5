// The answers of a card: each counts once, when it was meant for what is shown.

import { arm } from "./arm.js";
import { send } from "./api.js";
import { byId, capital, clock, reveal } from "./text.js";

export const WAITING = "The buttons wait until you have seen this.";

// Says what went wrong, until something else is said.
export function notice(text) {
  const place = byId("notice");
  place.textContent = text ? capital(reveal(text)) : "";
  place.hidden = !text;
}

// Lets buttons of a card answer a question: `answers` are pairs of a button and what gives its body. `watched` must be
// in view. Returns what ends it.
export function answering(card, question, watched, ready, answers) {
  const buttons = answers.map(([button]) => button);
  const armed = arm(watched, buttons, (is) => {
    card.classList.toggle("armed", is);
    ready.textContent = is ? "" : WAITING;
  });
  for (const [button, body] of answers) {
    button.addEventListener("click", async (event) => {
      if (!armed.counts(event, button)) return;
      for (const other of buttons) other.disabled = true;
      armed.end();
      try {
        await send(`/questions/${question.id}`, { nonce: question.nonce, ...body() });
        notice("");
      } catch (error) {
        notice(error.message);
      }
    });
  }
  return armed;
}

// Counts down to the end of a question's time.
export function countdown(place, question, then) {
  const tick = () => { place.textContent = `${clock((question.at_ms + question.wait_ms - Date.now()) / 1000)} left, then ${then}`; };
  tick();
  return setInterval(tick, 500);
}
