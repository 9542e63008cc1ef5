// What an element is, in words that rules can judge. Shares the guard's isolated world.
(() => {
    const aurore = globalThis.aurore;
    if (!aurore || aurore.describe) return;
    const { dom } = aurore;
    const LABEL = 200;
    const fold = (text) => String(text || '').replace(/\s+/gu, ' ').trim().slice(0, LABEL);
    // The element around an element, as it is drawn.
    const around = (element) => {
        const outer = dom.slot(element) || dom.parent(element);
        if (outer) return outer;
        const root = dom.root(element);
        return root instanceof ShadowRoot ? root.host : null;
    };
    const role = (element) => fold(dom.attribute(element, 'role')).toLowerCase().split(' ')[0];
    const ROLES = new Set(['button', 'link', 'checkbox', 'radio', 'switch', 'tab', 'menuitem', 'menuitemcheckbox',
        'menuitemradio', 'option', 'slider', 'spinbutton', 'textbox', 'searchbox', 'combobox', 'treeitem', 'listbox']);
    const OPERABLE = 'a[href], area[href], button, input, select, textarea, option, summary, iframe, frame, embed, object, audio[controls], video[controls], [contenteditable=""], [contenteditable="true"], [contenteditable="plaintext-only"]';
    const operable = (element) => dom.matches(element, OPERABLE) || ROLES.has(role(element))
        || dom.has(element, 'onclick') || Number(dom.attribute(element, 'tabindex') ?? -1) >= 0;
    const page = (element) => element === dom.body(document) || element === dom.rootElement(document);

    // The element that a press on this one operates: the nearest control, or the control of its label; else the
    // outermost element that shows a hand; else the element itself.
    aurore.semantic = (element) => {
        let hand = null;
        let pointing = true;
        for (let at = element; at && !page(at); at = around(at)) {
            if (operable(at)) return at;
            if (at instanceof HTMLLabelElement && at.control) return at.control;
            pointing &&= getComputedStyle(at).cursor === 'pointer';
            if (pointing) hand = at;
        }
        return hand || element;
    };

    const TAGS = { A: 'link', AREA: 'link', BUTTON: 'button', SELECT: 'combobox', TEXTAREA: 'textbox', OPTION: 'option',
        SUMMARY: 'button', IMG: 'image', IFRAME: 'iframe', FRAME: 'iframe', H1: 'heading', H2: 'heading', H3: 'heading',
        DIALOG: 'dialog', VIDEO: 'video', AUDIO: 'audio', CANVAS: 'canvas', LI: 'listitem', TD: 'cell', BODY: 'document', HTML: 'document' };
    const INPUTS = { button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox',
        radio: 'radio', range: 'slider', number: 'spinbutton', search: 'searchbox', file: 'file', color: 'color' };
    const named = (element) => {
        const ids = dom.attribute(element, 'aria-labelledby');
        const root = dom.root(element);
        const by = ids && ids.split(/\s+/u).map((id) => root.getElementById?.(id)?.textContent || '').join(' ');
        if (fold(by)) return by;
        const own = dom.attribute(element, 'aria-label');
        if (fold(own)) return own;
        const labels = element instanceof HTMLFormElement ? null : element.labels;
        if (labels && labels.length) return Array.from(labels, (label) => label.innerText).join(' ');
        if (element instanceof HTMLInputElement) {
            if (['submit', 'reset', 'button'].includes(element.type)) return element.value || element.type;
            return dom.attribute(element, 'alt') || dom.attribute(element, 'title') || dom.attribute(element, 'placeholder');
        }
        if (element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement) {
            return dom.attribute(element, 'title') || dom.attribute(element, 'placeholder');
        }
        if (page(element)) return dom.title(document);
        const text = element instanceof HTMLElement ? element.innerText : element.textContent;
        return fold(text) ? text : dom.attribute(element, 'alt') || dom.attribute(element, 'title')
            || Array.from(element.querySelectorAll('img[alt]'), (image) => dom.attribute(image, 'alt')).join(' ');
    };
    aurore.name = (element) => ({
        role: role(element) || (element instanceof HTMLInputElement ? INPUTS[element.type] || 'textbox' : TAGS[element.tagName] || ''),
        label: fold(named(element)),
    });

    const SECRET = /passwor|passwd|passphrase|passcode|kennwort|mot.?de.?passe|contrase|senha|\botp\b|one.?time|2fa|verification.?code|security.?answer|\bpin\b|пароль|密码|パスワード/u;
    const MONEY = /card.?(number|num\b|no\b)|credit.?card|debit.?card|\bcc.?(num|exp|csc|cvc|name)|\bcvv?2?\b|\bcvc2?\b|\bcsc\b|security.?code|card.?code|expir(y|ation)|\biban\b|\bbic\b|\bswift\b|account.?(number|no\b)|routing.?number|sort.?code|karten.?nummer|kreditkarte|konto.?nummer|num[eé]ro.?de.?carte|tarjeta|carta.?di.?credito|номер.?карты|卡号/u;
    const EMAIL = /e-?mail|courriel|correo/u;
    const PHONE = /phone|\btel\b|mobile|\bhandy\b|telefon|tel[eé]fono|t[eé]l[eé]phone/u;
    const SEARCH = /^(q|s|query|search|suche|recherche|buscar|keywords?)$|\bsearch|\bsuchen?\b|\brechercher?\b|\bbuscar\b|搜索|поиск/u;
    const PERSON = /(first|last|middle|full|sur|family|given|maiden).?name|\bname on\b|\byour name\b|vorname|nachname|pr[eé]nom|\bnom\b|apellido|street|stra(ß|ss)e|address|adresse|direcci[oó]n|\bzip\b|post(al|leitzahl|code)|\bplz\b|\bcity\b|\btown\b|\bwohnort\b|birth|geburt|naissance|nacimiento|\bdob\b|\bssn\b|social.?security|passport|ausweis|tax.?id|national.?id|driver.?licen[cs]e/u;
    const OWNER = /\b(name|honorific|given-name|additional-name|family-name|nickname|street-address|address-line\d|address-level\d|postal-code|country|country-name|bday\S*|sex|organization)\b/u;
    aurore.field = (element) => {
        const input = element instanceof HTMLInputElement;
        const type = input ? element.type : '';
        if (input && ['button', 'submit', 'reset', 'image', 'hidden'].includes(type)) return 'none';
        const editable = input || element instanceof HTMLTextAreaElement || element.isContentEditable === true
            || ['textbox', 'searchbox', 'combobox'].includes(role(element));
        const select = element instanceof HTMLSelectElement;
        const choice = select || ['checkbox', 'radio', 'range', 'color', 'date', 'month', 'week', 'time', 'datetime-local'].includes(type)
            || ['checkbox', 'radio', 'switch', 'slider', 'listbox', 'option'].includes(role(element)) || element instanceof HTMLOptionElement;
        if (!editable && !choice) return 'none';
        if (type === 'file') return 'file';
        if (type === 'password') return 'password';
        const hint = fold(dom.attribute(element, 'autocomplete')).toLowerCase();
        const said = ['name', 'id', 'placeholder', 'aria-label'].map((name) => fold(dom.attribute(element, name)));
        const text = [...said, fold(named(element))].map((part) => part.replace(/([a-z])([A-Z])/gu, '$1 $2').replace(/[_]/gu, ' ')).join(' | ').toLowerCase();
        if (/password|one-time-code/u.test(hint)) return 'password';
        if (/\bcc-/u.test(hint)) return 'payment';
        if (/\bbday/u.test(hint)) return 'personal';
        if (!choice || select) {
            if (!choice && SECRET.test(text)) return 'password';
            if (MONEY.test(text)) return 'payment';
        }
        if (choice) return type === 'date' && PERSON.test(text) ? 'personal' : 'choice';
        if (type === 'email' || /\bemail\b/u.test(hint)) return 'email';
        if (type === 'tel' || /\btel\b/u.test(hint)) return 'telephone';
        const searching = type === 'search' || role(element) === 'searchbox' || said.some((part) => SEARCH.test(part.toLowerCase()));
        if (searching) return 'search';
        if (EMAIL.test(text)) return 'email';
        if (PHONE.test(text)) return 'telephone';
        if (OWNER.test(hint) || PERSON.test(text)) return 'personal';
        return 'text';
    };

    const formOf = (element) => {
        if (element instanceof HTMLFormElement) return element;
        // A control's `form` cannot be shadowed: only forms and documents have names as properties.
        if ('form' in element && element.form instanceof HTMLFormElement) return element.form;
        for (let at = element; at; at = around(at)) if (at instanceof HTMLFormElement) return at;
        return null;
    };
    const submitter = (element) => (element instanceof HTMLButtonElement && element.type === 'submit')
        || (element instanceof HTMLInputElement && (element.type === 'submit' || element.type === 'image'));
    const form = (element) => {
        const owner = formOf(element);
        if (!owner) return null;
        const submits = submitter(element) && element.form === owner;
        // What Enter in a field presses: the first button that submits.
        const button = Array.from(dom.formElements(owner)).find(submitter);
        const override = (name, own) => submits && dom.has(element, name) ? own : null;
        return {
            action: override('formaction', element.formAction) ?? dom.formAction(owner),
            method: override('formmethod', element.formMethod) ?? dom.formMethod(owner),
            fields: [...new Set(Array.from(dom.formElements(owner)).slice(0, 300).map(aurore.field))].filter((kind) => kind !== 'none'),
            submits,
            button: button ? aurore.name(button).label : null,
        };
    };
    const link = (element) => {
        for (let at = element; at; at = around(at)) {
            if (at instanceof HTMLAnchorElement || at instanceof HTMLAreaElement) return at.href || null;
            if (at instanceof SVGAElement) return at.href.baseVal ? new URL(at.href.baseVal, document.baseURI).href : null;
        }
        return null;
    };
    // Fields that a secret was typed into: their values are told to nobody, and frames show a patch in their place.
    const concealed = new Set();
    aurore.conceal = (element) => { concealed.add(element); };
    const boxes = (elements) => Array.from(elements, (element) => {
        const box = dom.rect(element);
        return [box.x, box.y, box.width, box.height];
    });
    // Fields that are private where a person is recorded: of passwords and payment data, and of these labels.
    const FIELDS = 'input, textarea, select, [contenteditable=""], [contenteditable="true"], [contenteditable="plaintext-only"], [role=textbox], [role=combobox]';
    aurore.concealIfPrivate = (element, labels) => {
        const field = aurore.field(element);
        const label = aurore.name(element).label.toLowerCase();
        if (['password', 'payment'].includes(field) || (field !== 'none' && labels.some((text) => label.includes(text)))) aurore.conceal(element);
    };
    aurore.concealed = (labels) => {
        const empty = (element) => ('value' in element ? element.value : element.innerText) === '';
        for (const element of labels ? Document.prototype.querySelectorAll.call(document, FIELDS) : []) {
            if (!empty(element)) aurore.concealIfPrivate(element, labels);
        }
        return boxes([...concealed].filter((element) => element.isConnected));
    };
    aurore.frames = () => boxes(Document.prototype.querySelectorAll.call(document, 'iframe, frame, object, embed'));
    const value = (element, field) => {
        if (field === 'password' || field === 'file' || concealed.has(element)) return null;
        if (element instanceof HTMLInputElement && ['checkbox', 'radio'].includes(element.type)) return element.checked ? 'checked' : 'not checked';
        if (element instanceof HTMLSelectElement) return Array.from(element.selectedOptions, (option) => option.text).join(', ');
        if (field !== 'none' && 'value' in element) return String(element.value).slice(0, 1000);
        if (element.isContentEditable === true) return element.innerText.slice(0, 1000);
        const pressed = dom.attribute(element, 'aria-checked') ?? dom.attribute(element, 'aria-pressed') ?? dom.attribute(element, 'aria-selected');
        return pressed;
    };

    // Everything material about an element, as one text: what the guard compares at the first press.
    aurore.print = (element) => {
        const owner = form(element);
        const { role: kind, label } = aurore.name(element);
        return JSON.stringify([element.tagName, element.type || '', kind, label, link(element), owner && [owner.action, owner.method]]);
    };
    // Amounts of money as they are written on the page, as often as they are: numbers beside a currency or with two decimals,
    // all numbers in a line about a price, and what stands in fields that hold either or nothing but numbers.
    const CURRENCY = '\\p{Sc}|\\b(?:EUR|USD|GBP|CHF|JPY|CNY|RMB|CAD|AUD|SEK|NOK|DKK|PLN|CZK|INR)\\b';
    const NUMBER = "\\d(?:(?:[\\d.,'’\\u00a0\\u202f]| (?=\\d{3}\\b))*\\d)?";
    const AMOUNT = new RegExp(`(?:${CURRENCY})\\s?[-−]?${NUMBER}|${NUMBER}\\s?(?:${CURRENCY}|元|円|kr\\b|zł)`, 'gu');
    const DECIMALS = /(?<![\d.,:/-])\d(?:[\d.,'’\u00a0\u202f]*\d)?[.,]\d{2}(?![\d.,:/-]?\d)/gu;
    const NUMBERS = new RegExp(NUMBER, 'gu');
    const PRICE = new RegExp('(?<!\\p{L})(?:(?:sub|grand )?total\\p{L}{0,2}|sum|amount|price|cost|fee|due|to pay|payable|balance|deposit|tip'
        + '|gesamt\\p{L}*|summe|\\p{L}*betrag|\\p{L}*preis|kosten|gebühr|anzahlung|zu zahlen|prix|montant|somme|frais|à payer|solde'
        + '|importe|precio|coste|a pagar|importo|prezzo|costo|da pagare|valor|preço|kwota|cena|bedrag|prijs)s?(?!\\p{L})'
        + '|[合总小][计額额計]|金[额額]|价格|價格|費用|费用|应付|料金|итог|сумм|цен[аы]|стоимость', 'iu');
    const MOST_AMOUNTS = 300;
    const inLine = (line, price) => {
        const found = line.match(AMOUNT) || [];
        const rest = line.replace(AMOUNT, ' ');
        return found.concat(rest.match(price ? NUMBERS : DECIMALS) || []);
    };
    const inText = (text) => {
        const found = [];
        let heading = false;
        for (const line of text.slice(0, 200000).split('\n')) {
            if (!line.trim()) continue;
            const price = PRICE.test(line);
            found.push(...inLine(line, price || heading));
            // What a price is of may stand above it.
            heading = price && line.length < 60 && !/\d/u.test(line);
        }
        return found;
    };
    const inField = (element) => {
        const field = aurore.field(element);
        if (['none', 'password', 'payment', 'file'].includes(field) || concealed.has(element)) return [];
        const text = value(element, field);
        if (!text || !/\d/u.test(text)) return [];
        // A label's own text is without that of the control in it.
        const around = Array.from(element.labels || [], (label) => Array.from(label.childNodes, (node) => node.contains(element) ? '' : node.textContent).join(' '));
        const label = fold(fold(around.join(' ')) || named(element));
        const found = inLine(text, PRICE.test(label) || ['number', 'range'].includes(element.type));
        return found.map((amount) => `${label} ${amount}`);
    };
    const VALUES = 'input, textarea, select';
    const amounts = () => {
        const body = dom.body(document);
        const found = body ? inText(body.innerText) : [];
        const walk = (root, depth) => {
            const all = (root instanceof Document ? Document : DocumentFragment).prototype.querySelectorAll;
            for (const element of all.call(root, VALUES)) {
                if (found.length >= MOST_AMOUNTS) return;
                found.push(...inField(element));
            }
            if (depth === 0) return;
            for (const element of all.call(root, '*')) {
                const shadow = dom.shadow(element);
                if (!shadow) continue;
                for (const child of shadow.children) if (child instanceof HTMLElement) found.push(...inText(child.innerText));
                walk(shadow, depth - 1);
            }
        };
        walk(document, 4);
        return found.slice(0, MOST_AMOUNTS).map(fold).sort();
    };
    aurore.amounts = amounts;
    // One that stands there more often than before; null if there is none.
    aurore.newAmount = (before) => {
        const left = [...before];
        return amounts().find((amount) => {
            const at = left.indexOf(amount);
            if (at < 0) return true;
            left.splice(at, 1);
            return false;
        }) ?? null;
    };
    aurore.alike = (one, other) => {
        const kind = aurore.field(one);
        return kind !== 'none' && kind === aurore.field(other) && formOf(one) === formOf(other);
    };

    const transparent = (element) => {
        let opacity = 1;
        for (let at = element; at; at = around(at)) {
            const style = getComputedStyle(at);
            if (style.visibility === 'hidden') return true;
            opacity *= Number(style.opacity);
        }
        return opacity < 0.1;
    };
    // Whether what is seen at a point is what a press there operates. An invisible control over a visible other one
    // is the classic trap; an invisible checkbox over its own drawn label is not.
    aurore.seen = (element, x, y) => {
        const control = aurore.semantic(element);
        if (!transparent(element)) return true;
        const root = dom.root(element);
        return !dom.stack(root instanceof ShadowRoot ? root : document, x, y).some((below) => {
            const other = aurore.semantic(below);
            return other !== control && !control.contains(other) && !other.contains(control) && operable(other) && !transparent(below);
        });
    };

    // The innermost element at a point of this document, through open shadow trees.
    aurore.hit = (x, y, root = document) => {
        let element = null;
        while (root) {
            const inner = dom.top(root, x, y);
            if (!inner || inner === element) break;
            element = inner;
            root = dom.shadow(inner);
        }
        return element || dom.rootElement(document);
    };
    aurore.focused = () => {
        let element = dom.activeElement(document) || dom.body(document) || dom.rootElement(document);
        while (dom.shadow(element)?.activeElement) element = dom.shadow(element).activeElement;
        return element;
    };

    // All text of this document, drawn or only told to assistive technology. A password is nobody's text.
    const TOLD = ['aria-label', 'aria-description', 'alt', 'title', 'placeholder'];
    aurore.words = () => {
        const lines = new Set();
        const add = (text) => {
            for (const line of String(text || '').split('\n')) {
                if (lines.size >= 2000) return;
                const folded = line.replace(/\s+/gu, ' ').trim().slice(0, 500);
                if (folded.length > 3) lines.add(folded);
            }
        };
        const body = dom.body(document);
        if (body) {
            add(body.innerText.slice(0, 200000));
            for (const element of Document.prototype.querySelectorAll.call(document, TOLD.map((name) => `[${name}]`).join(','))) {
                for (const name of TOLD) add(dom.attribute(element, name));
            }
            for (const element of Document.prototype.querySelectorAll.call(document, 'input, textarea')) {
                if (element.type !== 'password' && !concealed.has(element)) add(element.value);
            }
        }
        return { origin: self.origin, lines: [...lines] };
    };

    const PICTURES = 'img, svg, canvas, video, object, embed, input[type=image]';
    const painted = (element, label, text) => element instanceof HTMLCanvasElement
        || (!fold(label) && !fold(text) && !page(element) && (dom.matches(element, PICTURES)
            || Element.prototype.querySelector.call(element, PICTURES) !== null
            || ['backgroundImage', 'maskImage', 'borderImageSource'].some((name) => (getComputedStyle(element)[name] || 'none') !== 'none')));
    const ENTERED = new Set(['text', 'search', 'url', 'tel', 'email', 'password', 'date', 'month', 'week', 'time', 'datetime-local', 'number', 'checkbox', 'radio']);
    aurore.describe = (element) => {
        const { role: kind, label } = aurore.name(element);
        const field = aurore.field(element);
        const box = dom.rect(element);
        const text = element instanceof HTMLElement && !page(element) ? element.innerText : '';
        return {
            role: kind,
            label,
            text: fold(text),
            value: value(element, field),
            field,
            origin: self.origin,
            url: location.href,
            link: link(element),
            form: form(element),
            // Whether Enter in it sends the form.
            enters: element instanceof HTMLInputElement && ENTERED.has(element.type) && formOf(element) !== null,
            box: [box.x, box.y, box.width, box.height],
            enabled: !(element.matches?.(':disabled') || dom.attribute(element, 'aria-disabled') === 'true' || element.closest?.('[inert]')),
            operable: operable(element),
            // An open drop-down list takes keys without the page's events.
            list: element instanceof HTMLSelectElement,
            // What is drawn in it, no words tell.
            painted: painted(element, label, text),
            // Whether a press of it may be about money.
            priced: field === 'none' && !page(element),
            document: aurore.document,
            print: aurore.print(element),
        };
    };
    // A focused drop-down list, whose open list no picture shows.
    aurore.dropDown = () => {
        const element = aurore.focused();
        if (!(element instanceof HTMLSelectElement) || element.multiple || element.size > 1) return null;
        return {
            label: aurore.name(element).label,
            chosen: element.selectedOptions[0]?.text ?? '',
            options: Array.from(element.options).slice(0, 50).map((option) => option.text),
            more: Math.max(0, element.options.length - 50),
        };
    };
    // The elements that a selector names, for experts and tests.
    aurore.outline = (selector, most) => {
        const root = dom.rootElement(document);
        const focus = aurore.focused();
        const elements = Array.from(Document.prototype.querySelectorAll.call(document, selector)).slice(0, most);
        return {
            elements: elements.map((element) => {
                const box = dom.rect(element);
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                const top = x >= 0 && y >= 0 && x < innerWidth && y < innerHeight ? aurore.hit(x, y) : null;
                return {
                    id: dom.attribute(element, 'id') || '',
                    ...aurore.name(element),
                    text: fold(element instanceof HTMLElement ? element.innerText : element.textContent),
                    value: value(element, aurore.field(element)),
                    box: [box.x, box.y, box.width, box.height],
                    focused: element === focus,
                    clear: top !== null && (element.contains(top) || aurore.semantic(top) === element),
                };
            }),
            above: Math.max(0, scrollY),
            below: Math.max(0, root.scrollHeight - innerHeight - scrollY),
        };
    };
})();
