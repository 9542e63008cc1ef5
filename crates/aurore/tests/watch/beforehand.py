"""What is asked before the first step, item by item; and the plan and the notes while a goal leads over two sites."""

from playwright.sync_api import expect

from stage import Run, Shop, answer, browser, click, end, look_on, places, question, shot

GOAL = "Order what is in the basket for ann@post.example, and ask the second shop for the same tea"
TEA = "Darjeeling, first flush, 100 g"
FIRST = ["[ ] Write a note for the parcel", "[ ] Ask the second shop for the tea", "[ ] Wrap it as a gift", "[ ] Pay"]
SECOND = [
    '[x] Write a note for the parcel | "For Ann" stands in the field',
    "[ ] Ask the second shop for the tea",
    "[-] Wrap it as a gift | the goal does not ask for it",
    "[ ] Pay",
]


def main():
    with browser() as chromium:
        chosen(chromium)
        none(chromium)


def site(shop):
    return shop.address.rstrip("/")


def chosen(chromium):
    """One of two things is allowed; the other is asked about when it comes."""
    shop, other = Shop(), Shop()
    at = places(chromium, shop.address, ["note"])
    there = places(chromium, f"{other.address}ask.html", ["question", "pay"])
    steps = [
        click(at["note"], thinking="First a plan.", plan=FIRST, intent="Put the cursor into the note.", expect="The field has the focus."),
        {"thinking": "Who it is for.", "intent": "Write the note.", "expect": "The note stands in the field.", "notes": ["the basket holds 2 × " + TEA, "total 45.30 €"], "arguments": {"action": "type", "text": "For Ann"}},
        {"thinking": "The note is written. Now the second shop.", "plan": SECOND, "intent": "Go to the second shop.", "expect": "Its page.", "arguments": {"action": "open_url", "url": f"{other.address}ask.html"}},
        click(there["question"], intent="Into its field."),
        {"thinking": "The same tea, as the first shop spells it.", "intent": "Ask for the tea.", "expect": "The name of the tea in the field.", "arguments": {"action": "type", "text": TEA}},
        click(there["pay"], thinking="This costs money.", intent="Pay.", expect="A confirmation."),
        end("failure", thinking="That was refused.", intent="The person does not want to pay."),
    ]
    run = Run(GOAL, shop.address, steps, "--site", other.address)
    page = look_on(chromium, run.link, color_scheme="light")
    card = page.locator("#answer")
    expect(card.locator("h2")).to_have_text("Before the first step")
    items = card.locator("ol.items > li")
    expect(items).to_have_count(2)
    expect(items.nth(0)).to_contain_text("Carry text between places")
    for name in (site(shop), site(other)):
        expect(items.nth(0).locator(".on")).to_contain_text(name)
    expect(items.nth(1)).to_contain_text("personal data")
    expect(items.nth(1).locator(".with")).to_have_text("ann@post.example")
    items.nth(0).get_by_text("The rule, exactly").click()
    rule = items.nth(0).locator("pre")
    for part in ('decision = "allow"', "tier = 2", 'effect = ["carry"]', "principal = ", "taint = true"):
        expect(rule).to_contain_text(part)
    items.nth(0).get_by_text("The rule, exactly").click()
    expect(rule).to_be_hidden()
    expect(page.locator("#state")).to_have_text("asks you")
    expect(page.locator("#now")).to_be_hidden()
    yes = card.locator("button.yes")
    expect(yes).to_have_text("Allow all 2 for this run")
    # The buttons take no press before they were in view.
    yes.scroll_into_view_if_needed()
    expect(yes).to_be_enabled()
    shot(page, "watch-beforehand")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    shot(page, "watch-beforehand-small")
    page.set_viewport_size({"width": 1280, "height": 860})
    yes.scroll_into_view_if_needed()
    items.nth(0).get_by_label("Carry text").uncheck()
    items.nth(1).get_by_label("personal data").uncheck()
    expect(yes).to_be_hidden()
    items.nth(0).get_by_label("Carry text").check()
    expect(yes).to_have_text("Allow 1 of 2 for this run")
    answer(page, yes)

    # The text was carried without a further question; what costs money is asked about right before.
    card = question(page, "Click button 'Pay now'")
    allowed = page.locator("#allowed li")
    expect(allowed).to_have_count(1)
    expect(allowed).to_contain_text("For this run: carry text between")
    for name in (site(shop), site(other)):
        expect(allowed).to_contain_text(name)
    expect(allowed).to_contain_text("the person at the watch page")
    plan(page)
    dark = look_on(chromium, invite(page), color_scheme="dark", reduced_motion="reduce")
    question(dark, "Click button 'Pay now'")
    shot(dark, "watch-plan-dark")
    dark.context.close()
    expect(card.get_by_role("button", name="Deny", exact=True)).to_be_enabled()
    shot(page, "watch-plan")
    answer(page, card.get_by_role("button", name="Deny", exact=True))
    expect(page.locator("#state")).to_have_text("ended")
    # Looking back, the plan is the one of that time.
    page.locator("#strip button").nth(0).click()
    expect(page.locator("#plan .head")).to_contain_text("0 of 4")
    expect(page.locator("#plan .notes li")).to_have_count(0)
    page.locator("#strip button").nth(2).click()
    expect(page.locator("#plan .head")).to_contain_text("1 of 4")
    page.set_viewport_size({"width": 1280, "height": 1120})
    shot(page, "watch-plan-replay")
    assert page.wrong == [], page.wrong
    page.context.close()
    assert run.end() == (3, "gave_up")
    steps = run.steps()
    assert [step["outcome"] for step in steps[2:6]] == ["done", "done", "done", "refused"], steps
    assert steps[4]["verdict"]["rule"]["name"] == "up-front-1", steps[4]["verdict"]
    (asked,) = [record for record in run.journal() if record["event"] == "up_front"]
    assert asked["approval"]["allowed"] and len(asked["items"]) == 2, asked
    assert asked["approval"]["note"] == f"for this run: {asked['items'][0]}", asked


def plan(page):
    parts = page.locator("#plan .items > li")
    expect(parts).to_have_count(4)
    expect(page.locator("#plan .head")).to_contain_text("1 of 4")
    kinds = [part.get_attribute("class") for part in parts.all()]
    assert kinds == ["done", "open next", "dropped", "open"], kinds
    expect(parts.nth(0)).to_contain_text('"For Ann" stands in the field (step 3)')
    expect(parts.nth(2)).to_contain_text("the goal does not ask for it")
    notes = page.locator("#plan .notes li")
    expect(notes).to_have_count(2)
    expect(notes.nth(1)).to_contain_text("total 45.30 €")
    # What is done, and what shows it, are as large as what is to do: nothing of the page's other parts leaks in.
    sizes = page.evaluate("""() => [...document.querySelectorAll('#plan .items > li > span:not(.unseen)')]
        .map((part) => getComputedStyle(part).fontSize)""")
    assert len(set(sizes)) == 1, sizes


def invite(page):
    page.get_by_role("button", name="A link for another browser").click()
    expect(page.locator("#link")).to_be_visible()
    return page.locator("#link").inner_text().split(" ")[0]


def none(chromium):
    """A no up front is no denial: the thing itself is asked about when it comes."""
    shop, other = Shop(), Shop()
    at = places(chromium, shop.address, ["note"])
    there = places(chromium, f"{other.address}ask.html", ["question"])
    steps = [
        {"intent": "Go to the second shop.", "arguments": {"action": "open_url", "url": f"{other.address}ask.html"}},
        click(there["question"], intent="Into its field."),
        {"intent": "Ask for the tea.", "arguments": {"action": "type", "text": TEA}},
        end(intent="End."),
    ]
    # The first page has been read; what stands on the second one has not.
    steps.insert(0, click(at["note"], intent="Look at the basket."))
    run = Run("Ask the second shop for the tea of the first", shop.address, steps, "--site", site(other))
    page = look_on(chromium, run.link)
    card = page.locator("#answer")
    expect(card.locator("ol.items > li")).to_have_count(1)
    expect(card.locator("button.yes")).to_have_text("Allow it for this run")
    answer(page, card.get_by_role("button", name="Allow none"))
    card = question(page, "Type")
    expect(page.locator("#allowed")).to_contain_text("Nothing up front")
    answer(page, card.get_by_role("button", name="Allow once"))
    expect(page.locator("#state")).to_have_text("ended")
    assert page.wrong == [], page.wrong
    page.context.close()
    assert run.end() == (0, "finished")


main()
