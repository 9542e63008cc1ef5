// An answer must be meant for the question that is shown. Buttons that answer take no press until the question was in
// view for a moment and nobody has pressed anything for a while: a press that was on its way cannot answer.

const SEEN = 900;
const IDLE = 500;
const EVERY = 80;

let lastPress = performance.now();
for (const kind of ["pointerdown", "pointerup", "keydown", "keyup"]) {
  addEventListener(kind, () => { lastPress = performance.now(); }, { capture: true, passive: true });
}

// Arms a group of buttons. `watched` must be in view; `changed` hears whether they are armed. Returns what ends it.
export function arm(watched, buttons, changed) {
  let inView = false;
  let since = null;
  let armedAt = null;
  const pressed = new WeakSet();
  const set = (armed) => {
    for (const button of buttons) button.disabled = !armed;
    if (armed === (armedAt !== null)) return;
    armedAt = armed ? performance.now() : null;
    changed(armed);
  };
  const observer = new IntersectionObserver(([entry]) => { inView = entry.intersectionRatio > 0.9; }, { threshold: [0, 0.95] });
  observer.observe(watched);
  const timer = setInterval(() => {
    const now = performance.now();
    if (!inView || document.visibilityState !== "visible" || !document.hasFocus()) {
      since = null;
      set(false);
      return;
    }
    since ??= now;
    // Once armed they stay so, also while somebody writes a word to the model.
    set(armedAt !== null || (now - since >= SEEN && now - lastPress >= IDLE));
  }, EVERY);
  for (const button of buttons) {
    button.disabled = true;
    button.addEventListener("pointerdown", (event) => { if (armedAt !== null && event.isTrusted) pressed.add(button); });
  }
  return {
    // Whether a click on a button began after it was armed, and was a person's.
    counts(event, button) {
      const byPointer = event.detail > 0;
      const began = byPointer ? pressed.delete(button) : armedAt !== null && performance.now() - armedAt > 200;
      return event.isTrusted && armedAt !== null && began;
    },
    end() {
      clearInterval(timer);
      observer.disconnect();
    },
  };
}
