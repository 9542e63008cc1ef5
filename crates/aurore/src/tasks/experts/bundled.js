// The bundled pages' experts.

const EXPERTS = {
  'cookies': (goal) => { const label = goal.split(' ')[0]; return press(one('.' + label.toLowerCase()), label); },
  'dialog': () => press(one('[role=dialog] button'), 'for closing'),
  'colour': (goal) => { const colour = goal.split(' ')[2]; return click(one(`[aria-label=${colour}]`), `The ${colour} square`, 'I click it'); },
  'newsletter': () => click(one('#email'), 'The email field', 'I click into it'),
  'tabs': (goal) => { const label = goal.split(' ')[2]; return click(all('[role=tab]').find((tab) => words(tab) === label), `The tab ${label}`, 'I open it'); },
  'checkout': () => press(one('.pay'), 'Pay now'),
};

return (task, goal, done) => EXPERTS[task] && EXPERTS[task](goal, done);
