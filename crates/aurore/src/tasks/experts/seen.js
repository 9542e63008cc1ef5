// What a person can read in the window: short texts and controls, each with its box in CSS pixels and its role, in
// the order of the document. For questions about a recorded frame. Beside them all words, with the boxes of their letters.

(() => {
  const MOST = 60, LONGEST = 40, WORDS = 200;
  const LINES = ['text', 'search', 'email', 'tel', 'url', 'number', 'button', 'submit', 'reset'];
  const HEADINGS = /^H[1-6]$/;
  const found = [], words = [];
  const fold = (text) => String(text || '').replace(/\s+/g, ' ').trim();
  const clip = (r) => [Math.max(r.left, 0), Math.max(r.top, 0), Math.min(r.right, innerWidth), Math.min(r.bottom, innerHeight)];
  // Nothing covers its middle.
  const clear = ([left, top, right, bottom], element) => {
    if (right - left < 3 || bottom - top < 3) return false;
    const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    return !!hit && (hit === element || element.contains(hit) || hit.contains(element));
  };
  const whole = (r, [left, top, right, bottom]) => (right - left) * (bottom - top) > 0.8 * r.width * r.height;
  const push = (element, r, role, label, more) => {
    const box = clip(r);
    if (found.length < MOST && whole(r, box) && clear(box, element)) found.push({ box, role, label: fold(label), ...more });
  };
  const beside = (input) => {
    if (input.labels && input.labels.length) return fold(input.labels[0].textContent);
    const next = input.nextSibling;
    return next && next.nodeType === 3 ? fold(next.textContent) : '';
  };
  const role = (element) => {
    if (element.closest('button, [role=button], .ui-button')) return 'button';
    if (element.closest('[role=tab], .ui-tabs-nav li')) return 'tab';
    if (element.closest('a, .alink')) return 'link';
    if (element.closest('td, th')) return 'cell';
    if (HEADINGS.test(element.tagName)) return 'heading';
    if (element.closest('li, option')) return 'option';
    return 'text';
  };
  // A word in a line, with the space before it where it is not the line's first.
  const word = (element, text, rects, isFirst) => {
    if (words.length >= WORDS || rects.length !== 1) return;
    const box = clip(rects[0]);
    if (whole(rects[0], box) && clear(box, element)) words.push({ text: isFirst ? text : ' ' + text, box });
  };
  // Those of a text node. A line ends where the next word stands lower.
  const spell = (element, node) => {
    const range = document.createRange();
    let lowest = -Infinity;
    for (const match of node.textContent.matchAll(/\S+/g)) {
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      const rects = Array.from(range.getClientRects()).filter((one) => one.width > 0);
      if (!rects.length) continue;
      word(element, match[0], rects, rects[0].top >= lowest);
      lowest = rects[0].bottom;
    }
  };
  // Those of a field of one line, whose letters the page cannot be asked for.
  const pen = document.createElement('canvas').getContext('2d');
  const fill = (input, r, style) => {
    const text = input.matches('select') ? input.selectedOptions[0]?.textContent || '' : input.value;
    pen.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const inner = parseFloat(style.borderLeftWidth) + parseFloat(style.paddingLeft) + (input.matches('select') ? 4 : 0);
    const middled = ['button', 'submit', 'reset'].includes(input.type);
    const begin = middled ? r.left + (r.width - pen.measureText(text).width) / 2 : r.left + inner;
    const half = parseFloat(style.fontSize) / 2, middle = (r.top + r.bottom) / 2;
    let isFirst = true;
    for (const match of text.matchAll(/\S+/g)) {
      const left = begin + pen.measureText(text.slice(0, match.index)).width;
      const right = left + pen.measureText(match[0]).width;
      if (right > r.right) break;
      const box = { left, top: middle - half, right, bottom: middle + half, width: right - left, height: 2 * half };
      word(input, match[0], [box], isFirst);
      isFirst = false;
    }
  };
  const each = (element, visit) => {
    for (const node of element.childNodes) {
      if (node.nodeType === 3) visit(node, element);
      else if (node.nodeType === 1) each(node, visit);
    }
  };
  const walk = (element) => {
    const style = getComputedStyle(element);
    if (style.visibility === 'hidden' || style.display === 'none' || +style.opacity < 0.3) return;
    // The goal itself is no part of the page, but can be read.
    if (element.matches('#query')) return each(element, (node, parent) => spell(parent, node));
    if (element.matches('#reward-display, #click-canvas, #sync-task-cover, script, style')) return;
    const r = element.getBoundingClientRect();
    if (element.matches('input, textarea, select')) {
      const type = element.matches('input') ? element.type : '';
      if (['button', 'submit', 'reset'].includes(type)) push(element, r, 'button', element.value);
      else if (['checkbox', 'radio'].includes(type)) push(element, r, type, beside(element), { checked: element.checked });
      else if (type === 'password') push(element, r, 'textbox', '', { value: '' });
      else if (element.matches('select')) push(element, r, 'textbox', '', { value: fold(element.selectedOptions[0]?.textContent) });
      else push(element, r, 'textbox', '', { value: fold(element.value) });
      // Of others the page does not say what is shown.
      if (element.matches('select') || LINES.includes(type)) fill(element, r, style);
      return;
    }
    // Texts of its own, a line each.
    for (const node of element.childNodes) {
      if (node.nodeType !== 3) continue;
      const text = fold(node.textContent);
      if (text) spell(element, node);
      if (!text || text.length > LONGEST) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const lines = Array.from(range.getClientRects()).filter((one) => one.width > 0);
      if (lines.length === 1) push(element, lines[0], role(element), text);
    }
    for (const child of element.children) walk(child);
  };
  walk(document.body);
  return { width: innerWidth, items: found, words };
})()
