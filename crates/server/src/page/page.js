"use strict";

const byId = (id) => document.getElementById(id);
const say = (id, text) => { byId(id).textContent = text; };
const EVERY = 1000;
const KEPT = 60;

function bytes(count) {
  if (count >= 1e8) return (count / 1e9).toFixed(1) + " GB";
  if (count >= 1e5) return (count / 1e6).toFixed(1) + " MB";
  return (count / 1e3).toFixed(1) + " kB";
}

function seconds(time) {
  if (time === null) return "–";
  return time < 1 ? Math.round(time * 1000) + " ms" : time.toFixed(1) + " s";
}

function uptime(time) {
  const [days, hours, minutes] = [Math.floor(time / 86400), Math.floor(time / 3600) % 24, Math.floor(time / 60) % 60];
  if (days > 0) return `Up for ${days} d ${hours} h.`;
  if (hours > 0) return `Up for ${hours} h ${minutes} min.`;
  return minutes > 0 ? `Up for ${minutes} min.` : "Up for less than a minute.";
}

const rates = [];
let before = null;

function draw() {
  const most = Math.max(1, ...rates);
  const step = 240 / (KEPT - 1);
  const from = KEPT - rates.length;
  const points = rates.map((rate, at) => `${((from + at) * step).toFixed(1)},${(46 - 44 * rate / most).toFixed(1)}`);
  const line = byId("line");
  line.querySelector("polyline").setAttribute("points", points.join(" "));
  const ground = points.length > 1 ? [`${(from * step).toFixed(1)},48`, ...points, "240,48"] : [];
  line.querySelector("polygon").setAttribute("points", ground.join(" "));
}

function show(now) {
  const at = performance.now();
  if (before !== null && now.written_tokens >= before.written) {
    const rate = (now.written_tokens - before.written) / ((at - before.at) / 1000);
    rates.push(rate);
    if (rates.length > KEPT) rates.shift();
    say("rate", rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en"));
    draw();
  }
  before = { at, written: now.written_tokens };
  say("running", now.running);
  say("batch", now.batch);
  say("waiting", now.waiting);
  say("answers", now.answers.toLocaleString("en"));
  say("first", seconds(now.first_token_seconds));
  say("reused", now.prompt_tokens > 0 ? Math.round(100 * now.cached_tokens / now.prompt_tokens) + " %" : "–");
  say("prompt", now.prompt_tokens.toLocaleString("en"));
  const used = now.reserved_bytes + now.cache_bytes;
  say("used", bytes(used));
  say("memory", bytes(now.memory_bytes));
  say("weights", bytes(now.weights_bytes));
  byId("bar").value = used / now.memory_bytes;
  say("up", uptime(now.up_seconds));
  state(now.ready ? "ready" : "gone", now.ready ? "ready" : "ending");
}

function state(kind, word) {
  const place = byId("state");
  if (place.className !== "state " + kind) {
    place.className = "state " + kind;
    place.querySelector("span").textContent = word;
  }
}

async function look() {
  try {
    const reply = await fetch("/figures", { cache: "no-store" });
    if (reply.status === 401) {
      // The server is another one than the one that gave the cookie.
      state("gone", "closed");
      return;
    }
    show(await reply.json());
  } catch {
    state("gone", "not reached");
    before = null;
  }
  setTimeout(look, EVERY);
}

async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function examples() {
  const figures = [...document.querySelectorAll("figure")];
  const tabs = byId("tabs");
  const choose = (chosen, focus) => {
    figures.forEach((figure, at) => {
      figure.hidden = at !== chosen;
      const tab = tabs.children[at];
      tab.setAttribute("aria-selected", String(at === chosen));
      tab.tabIndex = at === chosen ? 0 : -1;
      if (at === chosen && focus) tab.focus();
    });
  };
  figures.forEach((figure, at) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "example-" + at);
    tab.textContent = figure.dataset.name;
    tab.addEventListener("click", () => choose(at, false));
    tabs.append(tab);
    figure.id = "example-" + at;
    figure.setAttribute("role", "tabpanel");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, figure.querySelector("code")));
    figure.append(button);
  });
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = figures.findIndex((figure) => !figure.hidden);
    choose((at + step + figures.length) % figures.length, true);
  });
  tabs.hidden = false;
  document.body.classList.add("tabbed");
  choose(0, false);
}

examples();
look();
