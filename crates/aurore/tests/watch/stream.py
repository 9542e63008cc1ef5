"""The embedded model's thinking arrives while it thinks, in pieces, and is what the step is then decided with."""

from playwright.sync_api import expect

from stage import Run, Shop, beforehand, browser, look_on


def main():
    shop = Shop()
    with browser() as chromium:
        run = Run("Press Pay now.", shop.address, None, "--viewport", "160x210", "--max-steps", "1")
        page = look_on(chromium, run.link)
        beforehand(page, "Allow it for this run")
        expect(page.locator("#state")).to_have_text("ended")
        entries = page.evaluate("async () => (await (await fetch('/runs/current')).json()).entries")
        assert page.wrong == [], page.wrong
    run.end()
    thinking = next(entry for entry in entries if entry["event"] == "thinking")
    before = max(entry["sequence"] for entry in entries if entry["sequence"] < thinking["sequence"])
    # Each piece has a number of its own; pieces that follow each other are kept as one.
    assert thinking["sequence"] - before > 3, entries
    told = run.steps()[0]["thinking"]
    assert thinking["text"].strip() == told.strip() != "", (thinking, told)


main()
