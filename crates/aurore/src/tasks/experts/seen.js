// What a person can read in the window: short texts and controls, each with its box in CSS pixels and its role, in
// the order of the document. For questions about a recorded frame.

(() => {
  const MOST = 60, LONGEST = 40;
  const HEADINGS = /^H[1-6]$/;
  const found = [];
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
  const walk = (element) => {
    const style = getComputedStyle(element);
    if (style.visibility === 'hidden' || style.display === 'none' || +style.opacity < 0.3) return;
    if (element.matches('#query, #reward-display, #click-canvas, #sync-task-cover, script, style')) return;
    const r = element.getBoundingClientRect();
    if (element.matches('input, textarea, select')) {
      const type = element.matches('input') ? element.type : '';
      if (['button', 'submit', 'reset'].includes(type)) push(element, r, 'button', element.value);
      else if (['checkbox', 'radio'].includes(type)) push(element, r, type, beside(element), { checked: element.checked });
      else if (type === 'password') push(element, r, 'textbox', '', { value: '' });
      else if (element.matches('select')) push(element, r, 'textbox', '', { value: fold(element.selectedOptions[0]?.textContent) });
      else push(element, r, 'textbox', '', { value: fold(element.value) });
      return;
    }
    // Texts of its own, a line each.
    for (const node of element.childNodes) {
      if (node.nodeType !== 3) continue;
      const text = fold(node.textContent);
      if (!text || text.length > LONGEST) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const lines = Array.from(range.getClientRects()).filter((one) => one.width > 0);
      if (lines.length === 1) push(element, lines[0], role(element), text);
    }
    for (const child of element.children) walk(child);
  };
  walk(document.body);
  return { width: innerWidth, items: found };
})()
