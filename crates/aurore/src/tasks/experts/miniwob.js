// For each task of MiniWoB++, what a person would do next. An expert reads the page as it stands, and no model sees any
// of this: only the pixels and the goal.

const submit = (name) => press(one('#subbtn') || one('#submit') || all('#area button').find((b) => /submit/i.test(b.textContent)), name || 'Submit');
const button = (label) => all('button, input[type=button], input[type=submit]').find((b) => words(b) === label && shown(b));
const tick = (list, wanted, name) => {
  for (const input of list) {
    if (input.checked !== wanted(input)) return click(input, `The box of ${name(input)}`, wanted(input) ? 'I tick it' : 'I clear it', 'The box changes.');
  }
  return null;
};
const labelOf = (input) => words(input.closest('label') || input.parentElement);
const boxes = (goal, picks) => first(tick(all('#area input[type=checkbox]'), (i) => picks.includes(labelOf(i)), labelOf), () => submit());
const list = (text) => text === 'nothing' ? [] : text.split(', ').map((t) => t.trim()).filter(Boolean);

// Moves a jQuery slider by clicking where the value is.
function slide(slider, value, name) {
  const $slider = $(slider), now = $slider.slider('value');
  if (now === value) return null;
  const min = $slider.slider('option', 'min'), max = $slider.slider('option', 'max');
  const handle = one('.ui-slider-handle', slider);
  if (document.activeElement === handle) {
    const keys = now < value ? ['right'] : ['left'];
    return key(keys, `${name} is at ${now} and must be at ${value}.`, `Move it ${keys[0]}.`, 'The number changes by one.', { box: box(handle) });
  }
  const r = slider.getBoundingClientRect(), h = box(handle);
  const to = [r.left + r.width * (value - min) / (max - min), (r.top + r.bottom) / 2];
  const from = [(h[0] + h[2]) / 2, (h[1] + h[3]) / 2];
  return drag(from, to, `${name} is at ${now} and must be at ${value}.`, `Drag its handle to ${value}.`, `It shows ${value}.`, { box: h });
}

// Points at what opens by itself.
function point(element, name) {
  const move = click(element, name, 'I point at it', 'Its entries appear.');
  return move && { ...move, act: 'mouse_move', intent: `Point at ${lower(name)}.` };
}

// A native list: its pop-up can't be seen, so it is worked by keys.
function choose(select, text) {
  const now = select.options[select.selectedIndex];
  if (now && words(now) === text) return null;
  if (document.activeElement !== select) return key(['tab'], `The list shows ${now ? words(now) : 'nothing'} and must show ${text}.`, 'Go to the list.', 'The list has a frame.', { box: box(select) });
  const at = select.selectedIndex, to = Array.from(select.options).findIndex((o) => words(o) === text);
  const keys = [to > at ? 'down' : 'up'];
  return key(keys, `The list shows ${now ? words(now) : 'nothing'}; ${text} is ${to > at ? 'below' : 'above'} it.`, `Go ${keys[0]} in the list.`, 'The list shows the next name.', { box: box(select) });
}

// The sections of an accordion, one after the other, until `find` finds something that can be clicked.
function sections(find, done) {
  const target = find();
  if (target && aim(target)) return target;
  const headers = all('.ui-accordion-header');
  const next = headers.find((h, i) => !done.includes('section ' + i) && h.getAttribute('aria-expanded') !== 'true');
  return next && click(next, words(next), 'I open it', 'The section opens.', { note: 'section ' + headers.indexOf(next) });
}

const shapeOf = (goal) => goal.replace(/^Click on an? /, '');
const emails = {
  open(thread) { return click(one('.email-sender', thread) || thread, `The mail of ${words(one('.email-sender', thread))}`, 'I open it', 'The mail opens.'); },
  of(name) { return all('#main .email-thread').find((t) => words(one('.email-sender', t)) === name); },
};
function mail(goal) {
  const main = one('#main'), visible = shown(main);
  // Who wrote the mail is whoever is named and has written; the other one named gets it.
  const senders = all('#main .email-thread').map((t) => words(one('.email-sender', t)));
  const named = (goal.replace(/"[^"]*"/g, '').match(/[A-Z][a-z]+/g) || []).filter((n) => ui_utils.PEOPLE_NAMES.includes(n));
  const last = (/(?:to|with|for) ([A-Z][a-z]+)/.exec(goal) || [])[1];
  const deed = /delete|trash|remove|erase|get rid/i.test(goal) ? 'trash' : /forward|pass|send .* to/i.test(goal) && named.length > 1 ? 'forward'
    : /star|important|flag/i.test(goal) ? 'star' : 'reply';
  const name = named.find((n) => senders.includes(n) && (deed !== 'forward' || n !== last)) || named[0];
  const receiver = named.find((n) => n !== name);
  const text = deed === 'reply' ? quoted(goal).filter((q) => !named.includes(q)).pop() : receiver;
  if (visible) {
    const thread = emails.of(name);
    if (!thread) return null;
    const target = deed === 'trash' || deed === 'star' ? one('.' + deed, thread) : thread;
    return first(reveal(thread, main),
      () => deed === 'trash' || deed === 'star'
        ? click(target, `The ${deed} of ${name}'s mail`, 'I click it') : emails.open(thread));
  }
  if (deed === 'reply') {
    const field = one('#reply-text');
    if (shown(field)) return first(fill(field, text, 'The text'), () => click(one('#send-reply'), 'The arrow for sending', 'I click it'));
    return click(one('.email-reply'), 'Reply', 'I click it', 'A field for the answer opens.');
  }
  const to = one('.forward-sender');
  if (shown(to)) return first(fill(to, text, 'The field for the receiver'), () => click(one('#send-forward'), 'The arrow for sending', 'I click it'));
  return click(one('.email-forward'), 'Forward', 'I click it', 'A field for the receiver opens.');
}

function search(values, rows) {
  for (const [pattern, text] of values) {
    const row = rows.find((r) => pattern.test(words(r)));
    const move = row && fill(one('input', row), text, `The field ${words(row)}`);
    if (move) return move;
  }
  return null;
}
function movie(goal) {
  const [, genre, name, year] = /Search for (.+) movies directed by (.+) from year (\d+)/.exec(goal);
  const rows = all('#area input').map((i) => i.closest('.row, tr, .field, .ui-entry') || i.parentElement);
  const go = button('Submit') || button('Search') || button('Go!') || one('.final') || one('.ui-submit') || one('#area button');
  return first(search([[/Genre/, genre], [/Director|Name/, name], [/Year|Date/, year]], rows), () => click(go, `The button ${words(go)}`, 'I press it'));
}

// The item of a pie menu.
function pie(goal, done) {
  const item = quoted(goal)[0];
  const texts = all('#divWheel svg text').filter((t) => words(t) === item);
  const open = texts.find((t) => { const p = aim(t); return p && Number(getComputedStyle(t).opacity) > 0.5 && t.getBoundingClientRect().width > 0 && (t.closest('svg')); });
  const centre = all('#divWheel svg text').find((t) => words(t) === '+') ;
  if (!done.includes('open')) {
    const r = one('#divWheel svg').getBoundingClientRect();
    const point = centre && shown(centre) ? aim(centre) : null;
    const c = point || [(r.left + r.right) / 2, (r.top + r.bottom) / 2];
    return { act: 'left_click', point: c, box: [c[0] - 8, c[1] - 8, c[0] + 8, c[1] + 8], see: 'The menu is closed; its plus is in the middle.', intent: 'Open the menu.', expect: 'The menu opens.', note: 'open' };
  }
  return open && click(open, `The item ${item}`, 'I click it');
}

const EXPERTS = {
  'click-test': () => press(one('#subbtn'), 'Click Me!'),
  'click-test-2': () => press(one('#subbtn'), 'ONE'),
  'click-test-transfer': () => press(one('#subbtn'), words(one('#subbtn'))),
  'click-button': (goal) => press(button(quoted(goal)[0]), quoted(goal)[0]),
  'click-button-sequence': (goal, done) => done.includes('one') ? press(one('#subbtn2'), 'TWO')
    : click(one('#subbtn'), 'The button ONE', 'I press it first', 'TWO is next.', { note: 'one' }),
  'click-dialog': () => press(one('.ui-dialog button'), 'for closing'),
  'click-dialog-2': (goal) => {
    const label = quoted(goal)[0];
    return press(label === 'x' ? one('.ui-dialog-titlebar button') : all('.ui-dialog-buttonset button').find((b) => words(b) === label), label);
  },
  'focus-text': () => click(one('#tt'), 'The field', 'I click into it'),
  'focus-text-2': (goal) => { const nth = /the (...) input/.exec(goal)[1]; return click(one('#tt' + nth[0]), `The ${nth} field`, 'I click into it'); },
  'grid-coordinate': (goal) => { const at = /\((.*)\)/.exec(goal)[0]; return click(document.getElementById(at), `The point ${at}`, 'I click it'); },
  'click-tab': (goal) => { const label = /Tab #\d/.exec(goal)[0]; return click(all('#area ul a').find((a) => words(a) === label), label, 'I click it'); },
  'click-tab-2': tabs, 'click-tab-2-easy': tabs, 'click-tab-2-medium': tabs, 'click-tab-2-hard': tabs,
  'click-color': (goal) => { const c = /on the (.*) colored/.exec(goal)[1]; return click(one(`#area [data-color=${c}]`), `The ${c} box`, 'I click it'); },
  'click-widget': (goal) => { const kind = quoted(goal)[0]; return click(one(`#area [data-type=${kind}]`), `The ${kind}`, 'I click it'); },
  'identify-shape': () => {
    const figure = one('#area_svg').firstElementChild;
    const kind = { rect: 'rectangle', circle: 'circle', polygon: 'triangle' }[figure.tagName] || (/\d/.test(words(figure)) ? 'digit' : 'letter');
    const answer = one(`[data-type=${kind}]`);
    return click(answer, `The figure is a ${kind}; its button`, 'I press it');
  },
  'click-link': (goal) => click(all('.alink').find((a) => words(a) === quoted(goal)[0]), `The link ${quoted(goal)[0]}`, 'I click it'),
  'click-option': (goal) => {
    const name = /Select (.*) and click Submit/.exec(goal)[1];
    return first(tick(all('#area input').filter((i) => labelOf(i) === name), () => true, labelOf), () => submit());
  },
  'click-checkboxes': (goal) => boxes(goal, list(/Select (.*) and click Submit/.exec(goal)[1])),
  'click-checkboxes-large': (goal) => boxes(goal, list(/Select (.*) and click Submit/.exec(goal)[1])),
  'click-checkboxes-transfer': (goal) => boxes(goal, list(/Select (.*) and click Submit/.exec(goal)[1])),
  'click-checkboxes-soft': (goal) => {
    const wanted = list(/similar to (.*) and click Submit/.exec(goal)[1]);
    const like = (word) => wanted.some((w) => SYNONYMS.some((set) => set.includes(w) && set.includes(word)));
    return first(tick(all('#area input'), (i) => like(labelOf(i)), labelOf), () => submit());
  },
  'click-collapsible': () => first(one('.ui-accordion-header').getAttribute('aria-expanded') !== 'true'
    ? click(one('.ui-accordion-header'), words(one('.ui-accordion-header')), 'I open it', 'The section opens.') : null, () => submit()),
  'click-collapsible-2': (goal, done) => {
    const word = quoted(goal)[0];
    const found = sections(() => all('.alink').find((a) => words(a) === word && aim(a)), done);
    return found && found.act ? found : click(found, `The link ${word}`, 'I click it');
  },
  'click-shape': (goal) => svgShape(shapeOf(goal)),
  'count-shape': (goal) => {
    const what = /How many (.*)s are there/.exec(goal)[1];
    const count = all('#area_svg > *').filter((s) => describe(s, what)).length;
    return click(all('#count-buttons button').find((b) => words(b) === String(count)), `I count ${count}; the button ${count}`, 'I press it');
  },
  'click-shades': (goal) => {
    const colour = /shades of (\w+)/.exec(goal)[1];
    const next = all('#area span').find((s) => (s.getAttribute('data-color') === colour) !== (s.className === 'selected'));
    return next ? click(next, `A shade of ${colour}`, 'I select it', 'It is marked.') : submit();
  },
  'click-pie': pie, 'click-pie-nodelay': pie,
  'click-scroll-list': (goal) => {
    const wanted = list(/Select (.*) from the scroll list/.exec(goal)[1]);
    const select = one('#options');
    const missing = Array.from(select.options).filter((o) => wanted.includes(words(o)) && !o.selected);
    const extra = Array.from(select.options).filter((o) => !wanted.includes(words(o)) && o.selected);
    const next = missing[0] || extra[0];
    if (!next) return submit();
    const seen = reveal(next, select);
    if (seen) return seen;
    const any = Array.from(select.options).some((o) => o.selected);
    const move = click(next, `The name ${words(next)}`, 'I choose it', 'It is marked.');
    return any && move ? { ...move, modifiers: ['ctrl'] } : move;
  },
  'choose-list': (goal) => first(choose(one('#options'), /Select (.*) from the list/.exec(goal)[1]), () => submit()),
  'enter-text': (goal) => first(fill(one('#tt'), quoted(goal)[0], 'The field'), () => submit()),
  'enter-text-dynamic': (goal) => first(fill(one('#tt'), quoted(goal)[0], 'The field'), () => submit()),
  'enter-text-2': (goal) => first(fill(one('#tt'), /upper/.test(goal) ? quoted(goal)[0].toUpperCase() : quoted(goal)[0].toLowerCase(), 'The field'), () => submit()),
  'enter-password': (goal) => first(fill(one('#password'), quoted(goal)[0], 'The field Password'), () => fill(one('#verify'), quoted(goal)[0], 'The field Verify password'), () => submit()),
  'login-user': login, 'login-user-popup': login,
  'find-word': (goal) => {
    const word = words(one('#area p')).split(' ')[ordinal(/Find the (\d+)/.exec(goal)[1])].replace(/[^a-zA-Z]/g, '');
    return first(fill(one('#answer-input'), word, 'The field', `That word is ${word}.`), () => submit());
  },
  'find-greatest': (goal, done) => {
    const cards = all('.card');
    const hidden = cards.findIndex((c, i) => !done.some((d) => d.startsWith(`card ${i} `)));
    const open = cards.findIndex((c) => !c.classList.contains('hidden'));
    if (open >= 0 && !done.some((d) => d.startsWith(`card ${open} `))) {
      // What is seen now is remembered with the next click.
      const value = words(cards[open]);
      const after = cards.findIndex((c, i) => i !== open && !done.some((d) => d.startsWith(`card ${i} `)));
      const best = greatest([...done, `card ${open} ${value}`]);
      const next = after >= 0 ? after : best;
      if (next === open) return press(one('#submit'), 'Submit');
      return click(cards[next], `Card ${open + 1} shows ${value}; card ${next + 1}`, 'I turn it', 'The card turns.', { note: `card ${open} ${value}` });
    }
    if (hidden >= 0) return click(cards[hidden], `Card ${hidden + 1}`, 'I turn it', 'The card turns.');
    const best = greatest(done);
    return open === best ? press(one('#submit'), 'Submit') : click(cards[best], `Card ${best + 1}`, 'I turn it', 'The card turns.');
  },
  'number-checkboxes': (goal) => {
    const digit = /number "(\d)"/.exec(goal)[1];
    const wanted = PATTERNS[digit].flat();
    const inputs = all('#checkboxes input');
    const wrong = inputs.find((input, i) => input.checked !== !!wanted[i]);
    return wrong ? click(wrong, `A box of the ${digit}`, 'I click it', 'The box changes.') : submit();
  },
  'odd-or-even': () => {
    for (const row of all('.row')) {
      const number = parseInt(words(one('.display-number', row)), 10);
      const side = one(number % 2 ? '.odd' : '.even', row);
      if (!side.classList.contains('selected')) return click(side, `${number} is ${number % 2 ? 'odd' : 'even'}; its button`, 'I press it', 'The button is marked.');
    }
    return press(one('#submit'), 'Submit');
  },
  'ascending-numbers': () => {
    const numbers = all('svg text').sort((a, b) => words(a) - words(b));
    if (numbers.length) return click(numbers[0], `The number ${words(numbers[0])}`, 'I click it', 'It disappears.');
    return click(one('svg rect'), 'The next square', 'I click it', 'It disappears.');
  },
  'read-table': (goal) => {
    const key = /value of (.*) into/.exec(goal)[1];
    const row = all('#tab tr').find((r) => words(r.children[0]) === key);
    return first(fill(one('#tt'), words(row.children[1]), 'The field'), () => submit());
  },
  'read-table-2': () => {
    for (const i of [1, 2]) {
      const label = words(one('#ll' + i)).replace(/:$/, '');
      const row = all('#tab tr').find((r) => words(r.children[0]) === label);
      const move = fill(one('#tt' + i), words(row.children[1]), `The field ${label}`);
      if (move) return move;
    }
    return submit();
  },
  'simple-arithmetic': () => {
    const [, a, op, b] = /(\d+) ([-+x]) (\d+)/.exec(words(one('#math-problem')));
    const value = op === '+' ? +a + +b : op === '-' ? a - b : a * b;
    return first(fill(one('#math-answer'), value, 'The field', `${a} ${op} ${b} is ${value}.`), () => submit());
  },
  'simple-algebra': () => {
    const [, a, op, b, c] = /(\w+) ([-+]) (\w+) = (-?\d+)/.exec(words(one('#math-problem')));
    const x = op === '+' ? c - (a === 'x' ? b : a) : a === 'x' ? +c + +b : a - c;
    return first(fill(one('#math-answer'), x, 'The field', `x is ${x}.`), () => submit());
  },
  'visual-addition': () => {
    const count = all('.addition-block').length;
    return first(fill(one('#math-answer'), count, 'The field', `I count ${count} blocks.`), () => submit());
  },
  'navigate-tree': (goal, done) => {
    const name = quoted(goal)[0];
    const spans = all('#tree span');
    const target = spans.find((s) => words(s) === name);
    if (!shown(target)) {
      const folder = all('#tree li').filter((li) => li.contains(target) && shown(li)).pop();
      return click(one('span', folder), `The folder ${words(one('span', folder))}`, 'I open it', 'The folder opens.');
    }
    return first(reveal(target, one('#area')), () => click(target, `${name}`, 'I click it'));
  },
  'scroll-text': () => {
    const area = one('#text-area');
    const word = area.value.trim().split(/\s+/).pop().replace('.', '');
    if (one('#answer-input').value !== word && area.scrollTop + area.clientHeight < area.scrollHeight - 2 && document.activeElement !== one('#answer-input'))
      return scroll(area, Math.min(area.scrollHeight, 2000), 'The end of the text is farther down.', 'The end appears.');
    return first(fill(one('#answer-input'), word, 'The field', `The last word is ${word}.`), () => submit());
  },
  'scroll-text-2': (goal) => {
    const area = one('#text-area'), down = /bottom/.test(goal);
    const at = down ? area.scrollTop + area.clientHeight >= area.scrollHeight - 2 : area.scrollTop <= 0;
    return at ? submit() : scroll(area, down ? 2000 : -2000, down ? 'The text goes on below.' : 'The text begins above.');
  },
  'search-engine': (goal, done) => {
    const name = quoted(goal)[0], place = ordinal(/the (\d+)\w\w search result/.exec(goal)[1]);
    if (!all('.search-title').length) return first(fill(one('#search-text'), name, 'The search field'), () => click(one('#search'), 'The button Search', 'I press it', 'Results appear.'));
    const page = Math.floor(place / 3) + 1;
    const active = words(one('#pagination .active'));
    if (active !== String(page)) return click(all('#pagination a').find((a) => words(a) === String(page)), `Page ${page}`, 'I open it', 'The page changes.');
    return click(all('.search-title')[place % 3], `Result ${place + 1}`, 'I click it');
  },
  'sign-agreement': (goal) => {
    if (/^Click the cancel/.test(goal)) return press(one('#cancel'), 'Cancel');
    const name = quoted(goal)[0], end = quoted(goal)[1], field = one('#name');
    if (field.disabled) return scroll(one('#text-area'), 4000, 'The agreement goes on below.', 'Its end appears.');
    return first(fill(field, name, 'The field Name'), () => press(one(end === 'Agree' ? '#agree' : '#cancel'), end));
  },
  'social-media': (goal) => {
    const user = /For the user (@\w+)/.exec(goal)[1], label = quoted(goal)[0];
    const post = all('.media').find((m) => words(one('.username', m)) === user);
    const plain = { Reply: '.reply', Retweet: '.retweet', Like: '.like' }[label];
    const area = one('#area');
    if (plain) return first(reveal(one('.controls', post), area), () => click(one(plain, post), `${label} of ${user}`, 'I click it'));
    const menu = one('ul', post);
    if (menu.classList.contains('hide')) return first(reveal(one('.controls', post), area), () => click(one('.more', post), `The dots of ${user}`, 'I open the menu', 'A menu opens.'));
    const item = all('li', menu).find((li) => words(li).startsWith(label));
    return first(reveal(item, area), () => click(item, `The entry ${label}`, 'I click it'));
  },
  'use-autocomplete': autocomplete, 'use-autocomplete-nodelay': autocomplete,
  'use-slider': (goal) => first(slide(one('#slider'), +/Select (-?\d+)/.exec(goal)[1], 'The slider'), () => submit()),
  'use-slider-2': (goal) => {
    const wanted = JSON.parse(/\[.*\]/.exec(goal)[0]);
    return first(...wanted.map((value, i) => () => slide(one('#slider-' + (i + 1)), value, `Slider ${i + 1}`)), () => submit());
  },
  'use-spinner': (goal) => {
    const wanted = +/Select (-?\d+)/.exec(goal)[1], now = +one('#spinner').value;
    if (now === wanted) return submit();
    const arrow = one(now < wanted ? '.ui-spinner-up' : '.ui-spinner-down');
    return click(arrow, `It shows ${now} and must show ${wanted}; the arrow`, 'I click it', 'The number changes by one.');
  },
  'form-sequence': (goal) => {
    const [, value, nth] = /Select (-?\d+) with the slider, click the (\d)/.exec(goal);
    return first(slide(one('#slider'), +value, 'The slider'), () => tick(all('#area input').filter((i) => i.id === 'checkbox-' + nth), () => true, () => `the ${nth}`), () => submit());
  },
  'form-sequence-2': (goal) => {
    const [, radio] = /Check the (\d)/.exec(goal), [, nth] = /into the (\d)/.exec(goal);
    return first(tick([all('input[type=radio]')[radio - 1]], () => true, () => `radio ${radio}`), () => fill(one('#input-' + nth), quoted(goal)[0], `Field ${nth}`), () => submit());
  },
  'multi-layouts': movie, 'multi-orderings': movie,
  'phone-book': (goal) => {
    const [, name, what] = /Find (\w+) in the contact book and click on their (\w+)/.exec(goal);
    const shownName = one('#contact .name') || one('#contact h2, #contact h3');
    if (shownName && words(shownName) === name) { const target = one(`#contact .${what} a, #contact a.${what}, #contact .${what}`); return click(target, `${name}'s ${what}`, 'I click it'); }
    const next = all('#pagination a').find((a) => words(a) === '>');
    return click(next, 'The arrow to the next contact', 'I click it', 'The next contact appears.');
  },
  'email-inbox': mail, 'email-inbox-delete': mail, 'email-inbox-reply': mail, 'email-inbox-forward': mail, 'email-inbox-important': mail,
  'email-inbox-noscroll': mail, 'email-inbox-star-reply': mail,
  'email-inbox-forward-nl': mail, 'email-inbox-nl-turk': mail, 'email-inbox-forward-nl-turk': mail,
  'copy-paste': (goal, done) => copy(one('#to-copy'), one('#answer-input'), done),
  'copy-paste-2': (goal, done) => copy(one('#text-' + /the (\d)/.exec(goal)[1]), one('#answer-input'), done),
  'text-transform': () => first(fill(one('#tt'), words(one('#captcha')).replace(/\s/g, ''), 'The field'), () => submit()),
  'circle-center': (goal, done) => {
    if (one('#blue-circle')) return submit();
    const r = one('.black-circle').getBoundingClientRect();
    const point = [(r.left + r.right) / 2, (r.top + r.bottom) / 2];
    return { act: 'left_click', point, box: [r.left, r.top, r.right, r.bottom], see: `The circle is ${place([r.left, r.top, r.right, r.bottom])}, so I click its centre.`, intent: 'Click the centre.', expect: 'A blue point appears.' };
  },
  'guess-number': (goal, done) => {
    const tried = done.filter((d) => d.startsWith('guess')).map((d) => +d.slice(6));
    const last = tried[tried.length - 1];
    let [low, high] = [0, 9];
    for (const d of done) { const [k, v] = d.split(' '); if (k === 'above') low = Math.max(low, +v + 1); if (k === 'below') high = Math.min(high, +v - 1); }
    const lowText = one('#lower'), highText = one('#higher');
    if (shown(highText)) low = Math.max(low, +words(one('#higher span')) + 1);
    if (shown(lowText)) high = Math.min(high, +words(one('#lower span')) - 1);
    const guess = Math.floor((low + high) / 2), field = one('#tt');
    const bounds = shown(highText) ? `above ${words(one('#higher span'))}` : shown(lowText) ? `below ${words(one('#lower span'))}` : '';
    if (+field.value === guess && field.value !== '') return submit();
    const move = fill(field, guess, 'The field', `The number is between ${low} and ${high}.`);
    return move && (bounds ? { ...move, note: bounds } : move);
  },
  'generate-number': (goal) => {
    const number = words(one('#display-number'));
    const value = +number;
    const good = number !== '-' && (/less than (\d+)/.test(goal) ? value < RegExp.$1 : /greater than (\d+)/.test(goal) ? value > RegExp.$1 : /odd/.test(goal) ? value % 2 === 1 : value % 2 === 0);
    return good ? press(one('#submit'), 'Submit') : press(one('#generate'), 'Generate', 'Another number appears.');
  },
  'resize-textarea': (goal, done) => {
    if (done.includes('drag')) return submit();
    const r = one('#tt').getBoundingClientRect(), from = [r.right - 4, r.bottom - 4];
    const width = /width/.test(goal), larger = /larger/.test(goal), by = larger ? 25 : -12;
    return drag(from, [from[0] + (width ? by : 0), from[1] + (width ? 0 : by)], 'The corner of the field can be dragged.', 'Drag the corner.', 'The field changes its size.', { note: 'drag', box: [r.left, r.top, r.right, r.bottom] });
  },
  'highlight-text': (goal, done) => mark(one('#area p') || one('#area div'), done),
  'highlight-text-2': (goal, done) => mark(all('#area p')[ordinal(/the (\d)\w\w paragraph/.exec(goal)[1])], done),
  'drag-box': (goal, done) => {
    const small = one('#draggableSmall').getBoundingClientRect(), large = one('#draggableLarge').getBoundingClientRect();
    const inside = small.left > large.left + 1 && small.right < large.right - 1 && small.top > large.top + 1 && small.bottom < large.bottom - 1;
    if (inside) return submit();
    const middle = (r) => [(r.left + r.right) / 2, (r.top + r.bottom) / 2];
    return drag(middle(small), middle(large), `The small box is ${place([small.left, small.top, small.right, small.bottom])}, the large one ${place([large.left, large.top, large.right, large.bottom])}.`, 'Drag the small box into the large one.', 'It lies inside.', { box: [small.left, small.top, small.right, small.bottom] });
  },
  'drag-sort-numbers': (goal, done) => {
    const items = all('#sortable li'), values = items.map((i) => +words(i));
    const sorted = values.slice().sort((a, b) => a - b);
    const at = values.findIndex((v, i) => v !== sorted[i]);
    if (at < 0) return submit();
    const from = items[values.indexOf(sorted[at])].getBoundingClientRect(), to = items[at].getBoundingClientRect();
    return drag([(from.left + from.right) / 2, (from.top + from.bottom) / 2], [(to.left + to.right) / 2, to.top + 2], `${sorted[at]} belongs to place ${at + 1}.`, `Drag ${sorted[at]} up.`, 'It moves up.', { box: [from.left, from.top, from.right, from.bottom] });
  },
  'click-menu': menu,
  'enter-date': (goal) => date(goal), 'enter-time': (goal) => time(goal),
  'unicode-test': (goal) => press(button(quoted(goal)[0]) || all('#area button').find((b) => goal.includes(words(b))), quoted(goal)[0]),
  'click-collapsible-nodelay': (goal, done) => EXPERTS['click-collapsible'](goal, done),
  'click-collapsible-2-nodelay': (goal, done) => EXPERTS['click-collapsible-2'](goal, done),
  'button-delay': (goal, done) => done.includes('one')
    ? (done.includes('wait') ? press(one('#subbtn2'), 'TWO') : { act: 'wait', amount: +/wait (\d+)/.exec(goal)[1] - 0.2, see: 'ONE is pressed; the time must pass.', intent: 'Wait.', expect: 'Nothing changes.', note: 'wait' })
    : click(one('#subbtn'), 'The button ONE', 'I press it first', 'TWO is next.', { note: 'one' }),
};

function greatest(notes) {
  const seen = notes.filter((n) => n.startsWith('card ')).map((n) => n.split(' '));
  return +seen.sort((a, b) => b[2] - a[2])[0][1];
}
function tabs(goal, done) {
  const word = quoted(goal)[0] || /link "?([^".]*)/.exec(goal)[1];
  const link = all('.alink').find((a) => words(a) === word && aim(a));
  if (link) return click(link, `The link ${word}`, 'I click it');
  const heads = all('#area ul.ui-tabs-nav a, #area ul a').filter((a) => /^#?tab/i.test(a.getAttribute('href') || '') || /Tab/.test(words(a)));
  const next = heads.find((h, i) => !done.includes('tab ' + i) && h.parentElement.getAttribute('aria-selected') !== 'true' && aim(h));
  return next && click(next, words(next), 'I look there', 'The tab opens.', { note: 'tab ' + heads.indexOf(next) });
}
function login(goal) {
  const cancel = one('#popup-cancel');
  if (cancel) return click(cancel, 'A message is in the way; Cancel', 'I click it', 'The message goes away.');
  const [user, password] = quoted(goal);
  return first(fill(one('#username'), user, 'The field Username'), () => fill(one('#password'), password, 'The field Password'), () => press(one('#subbtn'), 'Login'));
}
function autocomplete(goal) {
  const field = one('#tags'), [start, end] = quoted(goal);
  const fits = (text) => text.toLowerCase().startsWith(start.toLowerCase()) && (!end || text.toLowerCase().endsWith(end.toLowerCase()));
  if (fits(field.value) && ui_utils.COUNTRIES.includes(field.value)) return submit();
  const item = all('.ui-autocomplete li').filter(shown).find((li) => fits(words(li)));
  if (item) return first(reveal(item, one('.ui-autocomplete')), () => click(item, `The entry ${words(item)}`, 'I choose it', 'The field shows it.'));
  return fill(field, start, 'The field');
}
function mark(part, done) {
  if (done.includes('marked')) return submit();
  const range = document.createRange();
  range.selectNodeContents(part);
  const rects = Array.from(range.getClientRects()).filter((r) => r.width > 0);
  const a = rects[0], b = rects[rects.length - 1];
  return drag([a.left + 0.5, (a.top + a.bottom) / 2], [b.right + 1, (b.top + b.bottom) / 2], 'The text begins at its first letter and ends at its last.', 'Mark the text.', 'The text is marked.', { note: 'marked', box: box(part) });
}
function copy(from, to, done) {
  if (to.value === from.value) return submit();
  if (!done.includes('copied')) {
    if (document.activeElement !== from) return click(from, 'The text', 'I click into it', 'It has the cursor.');
    if (!(from.selectionStart === 0 && from.selectionEnd === from.value.length)) return key(['ctrl', 'a'], 'The text has the cursor.', 'Mark all of it.', 'The text is marked.', { box: box(from) });
    return key(['ctrl', 'c'], 'The text is marked.', 'Copy it.', 'Nothing changes.', { note: 'copied', box: box(from) });
  }
  if (document.activeElement !== to) return click(to, 'The field', 'I click into it', 'It has the cursor.');
  return key(['ctrl', 'v'], 'The field has the cursor.', 'Paste.', 'The field shows the text.', { box: box(to) });
}
function menu(goal) {
  const path = /Select (.*)/.exec(goal)[1].split('>').map((part) => part.trim());
  const own = (li) => words(one('div, a', li) || li);
  const target = all('#menu li, .ui-menu li').filter((li) => own(li) === path[path.length - 1]).pop();
  if (!target) return null;
  const parents = [];
  for (let li = target.parentElement.closest('li'); li; li = li.parentElement.closest('li')) parents.unshift(li);
  for (const li of parents) if (!shown(one('ul', li))) return point(one('div, a', li) || li, `The entry ${own(li)}`);
  return click(one('div, a', target) || target, `The entry ${own(target)}`, 'I click it');
}
function date(goal) {
  const [, m, d, y] = /(\d+)\/(\d+)\/(\d+)/.exec(goal), field = one('#tt');
  if (field.value === `${y}-${m}-${d}`) return submit();
  if (document.activeElement !== field) { const r = field.getBoundingClientRect(); return { ...click(field, 'The field', 'I click its month', 'The month is marked.'), point: [r.left + 10, (r.top + r.bottom) / 2] }; }
  return { act: 'type', text: `${m}${d}${y}`, box: box(field), see: 'The month is marked; month, day and year follow one another.', intent: `Type ${m}${d}${y}.`, expect: 'The field shows the date.' };
}
function time(goal) {
  const [, h, m, half] = /(\d+):(\d+)\s*([AP]M)/.exec(goal), field = one('#tt');
  const hours = (h % 12) + (half === 'PM' ? 12 : 0);
  if (field.value === `${String(hours).padStart(2, '0')}:${m}`) return submit();
  if (document.activeElement !== field) { const r = field.getBoundingClientRect(); return { ...click(field, 'The field', 'I click its hours', 'The hours are marked.'), point: [r.left + 10, (r.top + r.bottom) / 2] }; }
  return { act: 'type', text: `${h.padStart(2, '0')}${m}${half}`, box: box(field), see: 'The hours are marked; minutes and the half of the day follow.', intent: `Type ${h.padStart(2, '0')}${m}${half}.`, expect: 'The field shows the time.' };
}
function describe(element, what) {
  const text = element.tagName === 'text' ? words(element) : '';
  const kind = { rect: 'rectangle', circle: 'circle', polygon: 'triangle' }[element.tagName] || '';
  const colour = element.getAttribute('fill') || '';
  const size = parseFloat(element.getAttribute('r') || element.getAttribute('width') || element.getAttribute('font-size')) || 0;
  return what.split(' ').every((word) => {
    if (['item', 'shape'].includes(word)) return word === 'item' || !text;
    if (word === 'letter') return /^[A-Za-z]$/.test(text);
    if (word === 'digit') return /^\d$/.test(text);
    if (['rectangle', 'circle', 'triangle'].includes(word)) return kind === word;
    if (word === 'large' || word === 'small') return (element.getBoundingClientRect().height > 17) === (word === 'large');
    if (text === word) return true;
    return colour === word;
  });
}
function svgShape(what) {
  const target = all('#area_svg > *').find((s) => describe(s, what) && aim(s));
  return target && click(target, `A ${what}`, 'I click it');
}

return (task, goal, done) => {
  const expert = EXPERTS[task];
  if (!expert) return undefined;
  return expert(goal, done) || { act: 'wait', amount: 0.5, see: 'What I need is not here yet.', intent: 'Wait a moment.', expect: 'It appears.' };
};
