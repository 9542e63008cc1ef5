"""A person shows how it is done, twice, and drops a time in between: what is kept of it, and what is hidden."""

import base64
import json
import os
import pathlib
import signal
import subprocess

from playwright.sync_api import expect

from stage import SIZE, Shop, browser, look_on, places, shot

HOME = pathlib.Path(os.environ["AURORE_HOME"])
TAX, PASSWORD = "4711-0815", "correct horse"


def record(address):
    """`aurore record --browser` and the link that it says."""
    program = subprocess.Popen(
        [os.environ["AURORE"], "record", "--browser", address, "--goal", "Join as Ada.", "--goal", "Join as Bo.",
         "--mask", "tax", "--secrets", "secrets.toml", "--seeds", "0..3", "--out", "shown", "--json"],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=HOME, text=True,
    )
    return program, json.loads(program.stdout.readline())["page"]


def by_hand(page, at, words):
    """A click on the picture, where it shows a place of the page that is recorded."""
    box = page.locator("#frame").bounding_box()
    page.mouse.click(box["x"] + box["width"] * at[0] / 1000, box["y"] + box["height"] * at[1] / 1000)
    expect(page.locator("#hands .done")).to_contain_text(words)


def write(page, text, words):
    page.keyboard.type(text)
    expect(page.locator("#hands .done")).to_contain_text(words)


def lesson(page, number, goal):
    """Waits until a time to show it has begun."""
    expect(page.locator("#hands .lesson .asked")).to_contain_text(f"Show how it is done, {number} of 3")
    expect(page.locator("#goal")).to_have_text(goal)
    expect(page.locator("#shot.open")).to_be_visible()
    expect(page.locator("#now h2")).to_have_text("Nothing shown yet")


def steps(seed):
    return [json.loads(line) for line in (HOME / f"shown/member-{seed}.jsonl").read_text().splitlines()]


def colour(chromium, step, at):
    """The colour of a frame at a place."""
    page = chromium.new_page()
    png = base64.b64encode((HOME / "shown" / step["frame"]).read_bytes()).decode()
    found = page.evaluate(
        """async ([png, x, y]) => {
            const image = new Image();
            image.src = `data:image/png;base64,${png}`;
            await image.decode();
            const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(x * image.width / 1000, y * image.height / 1000, 1, 1).data.slice(0, 3)];
        }""",
        [png, *at],
    )
    page.close()
    return found


def main():
    shop = Shop()
    address = f"{shop.address}member.html"
    (HOME / "secrets.toml").write_text(f'[[secret]]\nname = "club"\norigins = ["{shop.address.rstrip("/")}"]\nvalue = "{PASSWORD}"\n')
    (HOME / "secrets.toml").chmod(0o600)
    program, link = record(address)
    with browser() as chromium:
        at = places(chromium, address, ["name", "tax", "word", "join"])
        page = look_on(chromium, link)
        lesson(page, 1, "Join as Ada.")
        by_hand(page, at["name"], "click textbox 'Name'")
        page.keyboard.type("Adb")
        expect(page.locator("#hands .done")).to_contain_text("type \"Adb\"")
        page.keyboard.press("Backspace")
        expect(page.locator("#hands .done")).to_contain_text("Backspace")
        write(page, "a", "type \"a\"")
        by_hand(page, at["tax"], "click textbox 'Tax number'")
        write(page, TAX, "type \"•••\"")
        by_hand(page, at["word"], "click textbox 'Password'")
        write(page, PASSWORD, "type \"{{secret:club}}\"")
        page.get_by_label("What the next thing is for").fill("send it all off")
        shot(page, "watch-show")
        by_hand(page, at["join"], "click button 'Join'")
        expect(page.get_by_label("What the next thing is for")).to_have_value("")
        assert shop.log == [f"Ada {TAX} {PASSWORD}"], shop.log
        page.get_by_role("button", name="Done").click()

        # A time that goes wrong is dropped, and shown again.
        lesson(page, 2, "Join as Bo.")
        by_hand(page, at["join"], "click button 'Join'")
        page.get_by_role("button", name="Drop it").click()
        lesson(page, 2, "Join as Bo.")
        by_hand(page, at["join"], "click button 'Join'")
        by_hand(page, at["name"], "click textbox 'Name'")
        # What is still waiting for another letter is done before it ends.
        page.keyboard.type("Bo")
        page.get_by_role("button", name="Done").click()

        # Stopped in the middle of the third.
        lesson(page, 3, "Join as Bo.")
        by_hand(page, at["name"], "click textbox 'Name'")
        program.send_signal(signal.SIGINT)
        said = [json.loads(line) for line in program.stdout]
        assert program.wait(timeout=60) == 1
        shown = [(line["seed"], line["kept"]) for line in said if line["event"] == "shown"]
        assert shown == [(0, True), (1, False), (1, True)], said
        assert said[-1] == {"event": "end", "episodes": 2, "steps": 12, "stopped": True}, said[-1]
        assert not (HOME / "shown/member-2.jsonl").exists()
        assert page.wrong == [] or all("net::ERR" in wrong for wrong in page.wrong), page.wrong

        first, second = steps(0), steps(1)
        kinds = [step["action"]["action"] for step in first]
        assert kinds == ["left_click", "type", "left_click", "type", "left_click", "type", "left_click", "terminate"], kinds
        assert [first[place]["action"]["text"] for place in (1, 3, 5)] == ["Ada", "•••", "{{secret:club}}"]
        assert [place for place, step in enumerate(first) if step.get("masked")] == [3]
        assert first[6]["intent"] == "Send it all off." and first[1]["intent"] == "Type Ada.", first
        assert first[6]["did"][:2] == ["Click the field Name.", "Type Ada."], first[6]["did"]
        assert first[6]["done"] == kinds[:6]
        for step, name in ((first[0], "name"), (first[6], "join")):
            left, top, width, height = step["target"]["box"]
            assert left < step["point"][0] < left + width and top < step["point"][1] < top + height, step
            assert abs(step["action"]["coordinate"][0] - at[name][0]) < 5, (step, at)
        assert any(question["ask"].startswith("Where are") for step in first for question in step["questions"])
        assert [step["goal"] for step in second] == ["Join as Bo."] * 4

        # The number is black in pictures after it was typed, the password too, the name is not.
        last = first[7]
        assert colour(chromium, last, at["tax"]) == [0, 0, 0] == colour(chromium, last, at["word"])
        assert colour(chromium, first[2], at["tax"]) != [0, 0, 0] != colour(chromium, last, at["name"])
    for file in [*HOME.glob("shown/**/*"), *HOME.glob("runs/**/*"), *HOME.glob("eval-*/**/*")]:
        if file.is_file():
            content = file.read_bytes()
            assert TAX.encode() not in content and b"horse" not in content, file


main()
