// The guard. It runs in an isolated world of every document, before the page's own scripts, so its listeners are
// the first to see an input event. While nothing is approved it lets no trusted press or key through; an approved
// action arms it for one element, and an event that would hit anything else is stopped.
//
// A page can shadow properties of `document` and of forms by naming elements after them, also as seen from here:
// everything is read through the prototypes' own accessors.
(() => {
    if (globalThis.aurore) return;
    const SHOWN = "{{SHOWN}}" === "true";
    const getter = (prototype, name) => {
        const get = Object.getOwnPropertyDescriptor(prototype, name).get;
        return (object) => get.call(object);
    };
    const method = (prototype, name) => {
        const call = prototype[name];
        return (object, ...rest) => call.apply(object, rest);
    };
    const dom = {
        activeElement: getter(Document.prototype, 'activeElement'),
        attribute: method(Element.prototype, 'getAttribute'),
        body: getter(Document.prototype, 'body'),
        has: method(Element.prototype, 'hasAttribute'),
        matches: method(Element.prototype, 'matches'),
        parent: getter(Node.prototype, 'parentElement'),
        rect: method(Element.prototype, 'getBoundingClientRect'),
        root: method(Node.prototype, 'getRootNode'),
        rootElement: getter(Document.prototype, 'documentElement'),
        slot: getter(Element.prototype, 'assignedSlot'),
        shadow: getter(Element.prototype, 'shadowRoot'),
        state: getter(Document.prototype, 'readyState'),
        stack: (root, x, y) =>
            (root instanceof Document ? Document : ShadowRoot).prototype.elementsFromPoint.call(root, x, y),
        top: (root, x, y) =>
            (root instanceof Document ? Document : ShadowRoot).prototype.elementFromPoint.call(root, x, y),
        formAction: getter(HTMLFormElement.prototype, 'action'),
        formMethod: getter(HTMLFormElement.prototype, 'method'),
        formElements: getter(HTMLFormElement.prototype, 'elements'),
        title: getter(Document.prototype, 'title'),
    };
    const aurore = { dom };
    globalThis.aurore = aurore;
    // Tells this document apart from the one that was here before.
    aurore.document = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');

    // What is approved now: {kind: 'pointer' | 'key', node, print, release, free, amounts, started, blocked}.
    let armed = null;
    // Whether a press was stopped whose click is still to come.
    let swallowing = false;
    // Whether a person may use the window: only where there is one, once it has been looked at, and neither while an
    // action is carried out nor while a question stands, whose answer a window that takes the focus would swallow.
    let open = false;

    // What became of the armed action's events: how many passed, and why the first one that did not was stopped.
    let report = { token: 0, passed: 0, stopped: null };
    const stop = (event) => {
        event.preventDefault();
        event.stopImmediatePropagation();
    };
    const refuse = (event, why) => {
        armed.blocked = true;
        swallowing = true;
        report.stopped ??= why;
        stop(event);
    };
    const pass = () => {
        armed.started = true;
        report.passed += 1;
    };
    // The innermost element of an event, also inside the closed shadow tree that the approved element is in.
    const innermost = (event) => {
        let node = event.composedPath()[0];
        for (let root = armed && armed.node && dom.root(armed.node); root instanceof ShadowRoot; root = dom.root(root.host)) {
            if (root.mode === 'closed' && root.host === node && 'clientX' in event) {
                node = dom.top(root, event.clientX, event.clientY) || node;
                break;
            }
        }
        return node instanceof Element ? node : dom.rootElement(document);
    };
    const words = (node) => {
        const { role, label } = aurore.name(node);
        return label ? `${role || 'something'} '${label}'` : role || 'something else';
    };

    // What is different from what was judged, before the first event.
    const changed = (node) => {
        if (aurore.print(node) !== armed.print) return `the element's label, address or form was changed`;
        const amount = armed.amounts && aurore.newAmount(armed.amounts);
        return amount ? `an amount on the page is now '${amount}', which was not there` : null;
    };
    const press = (event) => {
        const hit = aurore.semantic(innermost(event));
        if (hit !== armed.node) return refuse(event, `${words(hit)} was under the pointer`);
        // Only the first press finds the element as it was judged; its own handlers may change it afterwards.
        const different = armed.started ? null : changed(hit);
        if (different) return refuse(event, different);
        pass();
    };
    const release = (event) => {
        const hit = aurore.semantic(innermost(event));
        if (armed.free || hit === armed.node || hit === armed.release) return pass();
        refuse(event, `${words(hit)} was under the pointer at the release`);
    };
    const key = (event) => {
        const at = event.composedPath()[0];
        const node = at instanceof Element ? at : dom.rootElement(document);
        const page = (element) => element === dom.body(document) || element === dom.rootElement(document);
        const same = node === armed.node || (page(node) && page(armed.node));
        // A page may move the focus on, from one box of a code to the next: only among fields of one kind and form.
        if (!same && !(armed.started && aurore.alike(node, armed.node))) {
            return refuse(event, `${words(node)} had the focus`);
        }
        const different = armed.started ? null : changed(armed.node);
        if (different) return refuse(event, different);
        pass();
    };

    const KEY = ['keydown', 'keypress', 'beforeinput', 'compositionstart'];
    const PRESS = ['pointerdown', 'mousedown', 'touchstart'];
    const RELEASE = ['pointerup', 'mouseup', 'touchend', 'drop'];
    // They follow from a press or a key that has been judged already.
    const CONSEQUENCE = ['click', 'dblclick', 'auxclick', 'contextmenu', 'keyup'];
    const watch = (event) => {
        if (!event.isTrusted) return;
        const type = event.type;
        if (!armed) {
            if (open) {
                if (type === 'keydown' || type === 'pointerdown') globalThis.auroreTouched?.(type);
                return;
            }
            if (!CONSEQUENCE.includes(type)) {
                swallowing = true;
                stop(event);
            } else if (swallowing) {
                stop(event);
            }
            return;
        }
        if (armed.blocked) return stop(event);
        if (CONSEQUENCE.includes(type)) return;
        if (PRESS.includes(type)) {
            return armed.kind === 'pointer' ? press(event) : refuse(event, 'a press came while typing');
        }
        if (RELEASE.includes(type)) {
            return armed.kind === 'pointer' ? release(event) : undefined;
        }
        return armed.kind === 'key' ? key(event) : refuse(event, 'a key came while pressing');
    };
    // Turns of the wheel are let through at all times, and told unless they are the run's own. They come once a frame.
    let wheeling = false;
    const turn = (event) => {
        if (event.isTrusted && !wheeling) globalThis.auroreTouched?.('wheel');
    };
    const listen = () => {
        if (SHOWN) window.addEventListener('wheel', turn, { capture: true, passive: true });
        for (const type of [...KEY, ...PRESS, ...RELEASE, ...CONSEQUENCE]) {
            window.addEventListener(type, watch, { capture: true, passive: false });
        }
    };
    listen();
    // `document.open` takes listeners away and empties the document; this runs before the next event comes. Adding
    // a listener that is still there changes nothing.
    new MutationObserver(listen).observe(document, { childList: true });

    // Arms the guard for one approved action. `free` lets the release happen anywhere; `amounts` are those that a person
    // was shown.
    aurore.arm = (token, kind, node, print, release, free, amounts = null) => {
        listen();
        armed = { kind, node, print, release, free, amounts, started: false, blocked: false };
        report = { token, passed: 0, stopped: null };
        swallowing = false;
        open = false;
    };
    aurore.report = () => report;
    aurore.disarm = () => {
        armed = null;
        swallowing = false;
        open = SHOWN;
    };
    // In a window that a person may use: whether they may just now.
    aurore.allow = (now) => {
        open = SHOWN && now && !armed;
        wheeling = false;
    };
    // The next turns of the wheel are the run's own, until a person may use the window again.
    aurore.wheel = () => {
        wheeling = true;
    };

    // Resolves once nothing has changed for `still` milliseconds and no animation runs that has an end, or after
    // `limit` milliseconds. Says which.
    aurore.quiet = (still, limit) => new Promise((resolve) => {
        const start = performance.now();
        let last = start;
        const observer = new MutationObserver(() => { last = performance.now(); });
        observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
        const moving = () => document.getAnimations().some((animation) => {
            const effect = animation.effect;
            return animation.playState === 'running' && effect && Number.isFinite(effect.getComputedTiming().endTime);
        });
        const end = (quiet) => { observer.disconnect(); resolve(quiet); };
        const check = () => {
            const now = performance.now();
            if (now - start >= limit) return end(false);
            if (dom.state(document) !== 'loading' && now - last >= still && !moving()) return end(true);
            setTimeout(check, 10);
        };
        // Two frames: what the input caused has been drawn. A page that draws nothing is not waited for.
        const drawn = new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)));
        Promise.race([drawn, new Promise((late) => setTimeout(late, 150))]).then(check);
    });
})();
