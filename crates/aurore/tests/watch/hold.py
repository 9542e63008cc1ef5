"""A run that is paused, taken over by hand, given back and killed."""

from playwright.sync_api import expect

from stage import SIZE, Run, Shop, answer, browser, click, look_on, places, question, shot


def main():
    shop = Shop()
    with browser() as chromium:
        at = places(chromium, shop.address, ["note", "login", "gift", "pay"])
        steps = [
            click(at["login"], thinking="Somebody has to log in.", intent="Log in."),
            *[click(at["gift"], thinking="Wrap it.", intent="Wrap it.")] * 2,
            *[click(at["pay"], thinking="Pay.", intent="Pay.")] * 3,
        ]
        run = Run("Order the tea", shop.address, steps)
        page = look_on(chromium, run.link)
        # Instead of an answer to what is asked before the first step, the person takes over, and gives back.
        expect(page.locator("#answer h2")).to_have_text("Before the first step")
        page.get_by_role("button", name="Take over").click()
        expect(page.locator("#shot.open")).to_be_visible()
        expect(page.locator("#answer")).to_be_hidden()
        page.get_by_role("button", name="Give back").click()
        question(page, "Click button 'Log in'")

        # Paused while it asks: the answer is taken, and nothing is done before it goes on.
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Go on")).to_be_enabled()
        answer(page, page.locator("#answer").get_by_role("button", name="Allow once"))
        expect(page.locator("#state")).to_have_text("paused")
        assert shop.log == [], shop.log
        page.get_by_role("button", name="Go on").click()

        # The rules ask; instead of an answer the person takes over.
        question(page, "Click button 'Pay now'")
        assert shop.log[0].startswith("Hello again"), shop.log
        page.get_by_role("button", name="Take over").click()
        expect(page.locator("#shot.open")).to_be_visible()
        expect(page.locator("#answer")).to_be_hidden()
        by_hand(page, at["note"])
        done = page.locator("#hands .done")
        expect(done).to_contain_text("click textbox 'A note for the parcel'")
        page.keyboard.type("Ring twice")
        expect(done).to_contain_text("type \"Ring twice\"")
        page.get_by_label("Type into what has the focus").fill(", please")
        page.get_by_role("button", name="Type", exact=True).click()
        expect(done).to_contain_text("type \", please\"")
        shot(page, "watch-hands")
        # What binds the run binds hands too.
        page.get_by_label("Open an address").fill(run.address)
        page.get_by_role("button", name="Open", exact=True).click()
        expect(done).to_contain_text("own-controls")
        page.get_by_role("button", name="Give back").click()

        # The run looks anew, and what it does next is its own again.
        question(page, "Click button 'Pay now'")
        answer(page, page.locator("#answer").get_by_role("button", name="Allow once"))
        expect(page.locator("#strip button")).to_have_count(6)
        question(page, "Click button 'Pay now'")
        assert shop.log[-1].endswith("Note: Ring twice, please"), shop.log
        page.get_by_role("button", name="Kill").click()
        expect(page.locator("#state")).to_have_text("ended")
        expect(page.locator("#notice")).to_contain_text("topped")
        assert page.wrong == [], page.wrong
    code, kind = run.end()
    assert (code, kind) == (1, "stopped"), (code, kind)
    assert sum("placed" in line for line in shop.log) == 1, shop.log
    records = run.journal()
    orders = [record["order"] for record in records if record["event"] == "order"]
    assert orders == ["take", "give_back", "pause", "resume", "take", "give_back", "kill"], orders
    hands = [record for record in records if record["event"] == "hand"]
    assert [hand["perform"] for hand in hands] == [True, True, True, False], hands
    assert all(hand["by"] == "the person at the watch page" for hand in hands), hands


def by_hand(page, at):
    """A click on the picture, where it shows a place of the run's screen."""
    box = page.locator("#frame").bounding_box()
    assert abs(box["width"] / box["height"] - SIZE["width"] / SIZE["height"]) < 0.01, box
    page.mouse.click(box["x"] + box["width"] * at[0] / 1000, box["y"] + box["height"] * at[1] / 1000)


main()
