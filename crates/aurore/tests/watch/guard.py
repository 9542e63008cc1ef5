"""What must not work: answers that nobody meant, and an agent or a page that is after the run's controls."""

import json
import socket
import time

from playwright.sync_api import expect

from stage import Run, Shop, browser, click, end, look_on, places, question


def main():
    with browser() as chromium:
        strays(chromium)
        controls(chromium)
        late(chromium)


def strays(chromium):
    """Presses that were on their way answer nothing."""
    shop = Shop()
    at = places(chromium, shop.address, ["pay"])
    run = Run("Look around", shop.address, [click(at["pay"], intent="Pay."), end()])
    # The page's clock is this test's: how fast the machine is decides nothing.
    page = look_on(chromium, run.link, clock=True)
    pump(page, lambda: page.locator("#answer .deed").count() == 1)
    card = page.locator("#answer")
    once = card.get_by_role("button", name="Allow once")
    # A script of whoever got onto the page: its clicks are no person's.
    once.evaluate("(button) => { button.disabled = false; button.click(); }")
    # Somebody who is typing, or clicking where the card has come up.
    box = once.bounding_box()
    for _ in range(12):
        page.mouse.click(box["x"] + 20, box["y"] + 10)
        page.keyboard.press("Enter")
        page.keyboard.press("Space")
        page.clock.run_for(300)
    expect(once).to_be_disabled()
    expect(card).to_be_visible()
    assert shop.log == [], shop.log
    # By keyboard alone, once the hands have rested. The program itself takes no answer within half a second of
    # asking, by its own clock.
    time.sleep(0.6)
    page.clock.run_for(1500)
    expect(once).to_be_enabled()
    once.focus()
    page.keyboard.press("Enter")
    pump(page, lambda: page.locator("#state").inner_text() == "ended")
    assert page.wrong == [], page.wrong
    page.context.close()
    assert run.end() == (0, "finished")
    assert len(shop.log) == 1, shop.log


def pump(page, is_so):
    """Lets the page's time pass in small pieces until something is so."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until, page.locator("body").inner_text()
        page.clock.run_for(50)
        time.sleep(0.02)


def controls(chromium):
    """The agent cannot open, click or embed what controls it."""
    shop = Shop()
    step = {"thinking": "Whoever answers there can allow everything.", "intent": "Open it."}
    names = ["127.0.0.1", "localhost", "127.1", "0.0.0.0", "[::1]", "2130706433"]
    # The page has to know the port before the run: a free one is asked for.
    probe = free_port()
    steps = [{**step, "arguments": {"action": "open_url", "url": f"http://{name}:{probe}/"}} for name in names]
    address = f"{shop.address}attack.html?controls=http://127.0.0.1:{probe}"
    at = places(chromium, address, ["link"])
    steps += [click(at["link"], **step), end("failure")]
    run = Run("Claim the prize", address, steps, "--watch-port", str(probe))
    page = look_on(chromium, run.link)
    expect(page.locator("#state")).to_have_text("ended")
    assert page.wrong == [], page.wrong
    page.context.close()
    run.end()
    refused = run.steps()[: len(names) + 1]
    rules = [(one["outcome"], one["verdict"]["rule"]["name"]) for one in refused]
    assert rules == [("refused", "own-controls")] * (len(names) + 1), rules
    tries = json.loads(shop.log[-1])
    assert tries == {"look": "refused", "blind": "opaque", "answer": "refused", "frame": "out of reach", "events": "nothing"}, tries
    # The blind request was let off, and did nothing: the run went on to its own end.
    assert run.lines[-1]["outcome"]["end"]["kind"] == "gave_up", run.lines[-1]


def late(chromium):
    """After its time a question is a no, and an answer to it says so."""
    shop = Shop()
    at = places(chromium, shop.address, ["pay"])
    run = Run("Look around", shop.address, [click(at["pay"], intent="Pay.")], "--answer-seconds", "1")
    page = look_on(chromium, run.link)
    expect(page.locator("#state")).to_have_text("ended")
    said = page.evaluate(
        """async () => {
            const entries = (await (await fetch("/runs/current")).json()).entries;
            const asked = entries.find((entry) => entry.event === "asked");
            const reply = await fetch(`/questions/${asked.id}`, {
                method: "POST", headers: {"Content-Type": "application/json", "X-Aurore-Hand": localStorage.getItem("hand")},
                body: JSON.stringify({nonce: asked.nonce, answer: "yes"}),
            });
            return [reply.status, (await reply.json()).error.message];
        }"""
    )
    assert said[0] == 409 and said[1].startswith("too late"), said
    page.context.close()
    run.end()
    assert shop.log == [], shop.log
    assert "nobody answered in time" in run.steps()[0]["result"], run.steps()[0]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


main()
