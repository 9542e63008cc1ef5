// The screen with what the next action would hit.

import { byId, el, reveal, svg } from "./text.js";

const frame = byId("frame");
const marks = byId("marks");

// Draws marks over a frame of this size: the dashed box of the target, a ring where the pointer goes.
export function draw(over, size, points = [], bounds = null) {
  over.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  const parts = [];
  if (bounds) {
    const { x, y, width, height } = bounds;
    parts.push(svg("rect", { class: "box under", x, y, width, height, rx: 3 }));
    parts.push(svg("rect", { class: "box", x, y, width, height, rx: 3 }));
  }
  const radius = Math.max(size.width, size.height) / 80;
  if (points.length > 1) {
    const path = points.map(({ x, y }) => `${x},${y}`).join(" ");
    parts.push(svg("polyline", { class: "ring", points: path }), svg("polyline", { class: "point", points: path }));
  }
  for (const { x, y } of points) {
    const at = { cx: x + 0.5, cy: y + 0.5 };
    parts.push(svg("circle", { class: "ring", ...at, r: radius }));
    parts.push(svg("circle", { class: "point", ...at, r: radius }));
    parts.push(svg("circle", { class: "dot", ...at, r: radius / 4 }));
  }
  over.replaceChildren(...parts);
}

// Shows a frame, by name, with marks. The one before stays until it is there.
export function show(id, size, { points, bounds, alt } = {}) {
  byId("empty").hidden = Boolean(id);
  frame.hidden = !id;
  if (!id) return;
  const source = `/frames/${id}`;
  if (frame.getAttribute("src") !== source) frame.setAttribute("src", source);
  frame.alt = alt ?? "What the screen shows";
  if (size) {
    frame.width = size.width;
    frame.height = size.height;
    draw(marks, size, points, bounds);
    frame.parentElement.classList.toggle("small", size.width <= 320);
  }
}

// Where the run is: its tabs and the address of the page in front.
export function place(look) {
  if (!look) return;
  byId("place").textContent = reveal(look.url ?? look.origin);
  const tabs = look.tabs.map((tab) => {
    const name = reveal(tab.title || tab.url);
    return el("li", { "aria-current": tab.current ? "page" : null, title: name }, name);
  });
  byId("tabs").replaceChildren(...(tabs.length > 1 ? tabs : []));
}
