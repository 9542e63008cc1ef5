"""An order from the basket to its confirmation: every kind of answer, two who look on, and the replay."""

from playwright.sync_api import expect

from stage import Run, Shop, answer, beforehand, browser, click, end, look_on, places, question, shot

GOAL = "Order what is in the basket, with a note for the neighbour"
NOTE = "Please leave it with the neighbour"


def main():
    shop = Shop()
    with browser() as chromium:
        at = places(chromium, shop.address, ["note", "login", "gift", "pay"])
        steps = [
            click(at["note"], thinking="The basket holds the tea and the tin. The goal asks for a note on the parcel, so the note comes first.", intent="Put the cursor into the note.", expect="The field has the focus."),
            {"thinking": "Now the words.", "intent": "Write the note.", "expect": "The note stands in the field.", "arguments": {"action": "type", "text": NOTE}},
            click(at["login"], thinking="The shop may know the address once somebody is logged in.", intent="Log in.", expect="A greeting."),
            click(at["login"], thinking="The greeting is there. Once more, to be sure.", intent="Log in again.", expect="Another greeting."),
            click(at["pay"], thinking="Everything is as the goal says.", intent="Pay for the basket.", expect="A confirmation."),
            click(at["gift"], thinking="The person wants it wrapped before it is paid for.", intent="Wrap it.", expect="Paper with blossoms."),
            click(at["pay"], thinking="It is wrapped and the note is written: what is left is to pay, which the rules will ask about, because it has consequences.", intent="Pay for the basket.", expect="A confirmation that the order is placed."),
            end(thinking="The shop thanks for the order.", intent="End."),
        ]
        run = Run(GOAL, shop.address, steps)
        page = look_on(chromium, run.link, color_scheme="light")
        expect(page.locator("h1")).to_have_text(GOAL)

        beforehand(page, "Allow it for this run")
        # From now on: from the narrow one, for this target, to the wide one; neither covers anything earlier.
        card = question(page, "Click button 'Log in'")
        scopes = card.locator(".scopes > ol > li")
        assert scopes.count() >= 2, scopes.count()
        expect(scopes.first).to_contain_text("'Log in'")
        expect(scopes.first).to_contain_text("Nothing earlier")
        expect(scopes.last).to_contain_text("from now on")
        expect(scopes.last).to_contain_text("whatever on")
        expect(card.get_by_role("button", name="Allow once")).to_be_enabled()
        shot(page, "watch-scopes")
        answer(page, scopes.first.get_by_role("button", name="Allow"))

        # The second time nothing is asked. A second browser looks on, over a link that the first one makes.
        card = question(page, "Click button 'Pay now'")
        page.get_by_role("button", name="A link for another browser").click()
        expect(page.locator("#link")).to_be_visible()
        link = page.locator("#link").inner_text().split(" ")[0]
        other = look_on(chromium, link, color_scheme="dark", reduced_motion="reduce")
        seen = question(other, "Click button 'Pay now'")
        expect(other.locator("#strip button")).to_have_count(5)
        seen.get_by_label("A word to the model").fill("Wrap it as a gift first.")
        answer(other, seen.get_by_role("button", name="Deny", exact=True))
        # The next card is another question's, in both places.
        for viewer in (page, other):
            card = question(viewer, "Click button 'Pay now'")
            expect(viewer.locator("#strip button")).to_have_count(7)
            expect(card.get_by_role("button", name="Allow once")).to_be_enabled()
        assert "placed" not in " ".join(shop.log), shop.log
        shot(page, "watch-question")
        shot(other, "watch-question-dark")
        answer(page, page.locator("#answer").get_by_role("button", name="Allow once"))

        # It is answered in one place and closed in both.
        for viewer in (page, other):
            expect(viewer.locator("#state")).to_have_text("ended")
            expect(viewer.locator("#answer")).to_be_hidden()
            expect(viewer.locator("#notice")).to_contain_text("the goal is met")
        replay(page)
        small(chromium, page)
        for viewer in (page, other):
            assert viewer.wrong == [], viewer.wrong
    code, kind = run.end()
    assert (code, kind) == (0, "finished"), (code, kind)
    assert shop.log == ["Hello again, Ann. (1)", "Hello again, Ann. (2)", "It is wrapped in paper with blossoms.", f"Thank you: the order is placed. Note: {NOTE}"], shop.log
    told = run.steps()[4]
    assert "Wrap it as a gift first." in told["result"], told
    answers = [record["approval"] for record in run.journal() if record.get("approval")]
    assert [answer["allowed"] for answer in answers] == [True, True, False, True], answers
    assert all(answer["by"] == "the person at the watch page" for answer in answers), answers
    assert "for the rest of this run" in answers[1]["note"], answers


def replay(page):
    """Through the time line: by pointer, by keyboard, by itself."""
    stops = page.locator("#strip button")
    expect(stops).to_have_count(8)
    stops.nth(2).click()
    expect(page.locator("#now-name")).to_have_text("Step 3")
    expect(page.locator("#now")).to_contain_text("for the rest of this run")
    expect(page.locator("#marks .box").first).to_be_attached()
    before = page.locator("#frame").get_attribute("src")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now-name")).to_have_text("Step 4")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_contain_text("Wrap it as a gift first.")
    assert page.locator("#frame").get_attribute("src") != before
    shot(page, "watch-replay")
    page.locator("#line .segment").nth(6).click()
    expect(page.locator("#now-name")).to_have_text("Step 7")
    page.get_by_role("button", name="To the end").click()
    expect(page.locator("#now-name")).to_have_text("Step 8")
    page.get_by_role("button", name="Play").click()
    expect(page.locator("#now-name")).to_have_text("Step 2")
    page.get_by_role("button", name="Stop").click()


def small(chromium, page):
    """On a small screen nothing is wider than it."""
    page.set_viewport_size({"width": 360, "height": 740})
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 360, wide
    shot(page, "watch-small")


main()
