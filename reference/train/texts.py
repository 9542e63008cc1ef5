"""What nano reads and writes, as text: the fixed contract between training and the agent."""

WIDTH, HEIGHT = 160, 210

IMAGE = "<|vision_start|>" + "<|image_pad|>" * 35 + "<|vision_end|>"
CALL = "<tool_call>\n<function=computer_use>\n<parameter=action>\n{action}\n</parameter>\n{argument}</function>\n</tool_call>"

FIGURES = {"letter": "a letter", "digit": "a number", "circle": "a circle", "rectangle": "a rectangle", "triangle": "a triangle"}
WIDGETS = {"radio": "radio button", "checkbox": "checkbox", "text": "text field", "textarea": "text area", "button": "button"}
ORDER = {"1st": "first", "2nd": "second", "3rd": "third"}


def region(point):
    """Where a point lies, in words, on a 3x3 division of the frame."""
    x, y = point
    column = ("left", "middle", "right")[min(2, int(3 * x / WIDTH))]
    row = ("top", "middle", "bottom")[min(2, int(3 * y / HEIGHT))]
    return {"middle middle": "in the middle", "middle left": "at the left", "middle right": "at the right"}.get(
        f"{row} {column}", f"at the {row} {column}".replace(" middle", ""))


def on_grid(point):
    """CSS pixels to the integers 0..1000 that the family uses for coordinates."""
    return [max(0, min(1000, round(point[0] * 1000 / WIDTH))), max(0, min(1000, round(point[1] * 1000 / HEIGHT)))]


def words(task, step, say, where):
    """(thinking, intent, expect) of a step; every sentence is true of the frame."""
    label, colour = say.get("label"), say.get("colour")
    match task:
        case "click-test":
            return f"The button is {where}, so I click it.", "Click the button.", "The button is pressed."
        case "click-test-2":
            return f"Button ONE is {where}, so I click it.", "Click button ONE.", "Button ONE is pressed."
        case "click-dialog":
            return f"The x of the dialog is {where}, so I click it.", "Close the dialog.", "The dialog is gone."
        case "click-dialog-2":
            return f"The button {label} of the dialog is {where}, so I click it.", f"Click {label} in the dialog.", "The dialog is gone."
        case "focus-text":
            return f"The text field is {where}, so I click into it.", "Focus the text field.", "The field has the focus."
        case "focus-text-2":
            nth = ORDER[say["nth"]]
            return f"The {nth} text field is {where}, so I click into it.", f"Focus the {nth} field.", "The field has the focus."
        case "grid-coordinate":
            return f"The point {say['place']} is {where}, so I click it.", f"Click the point {say['place']}.", "The point is chosen."
        case "click-tab":
            return f"{label} is {where}, so I click it.", f"Open {label}.", f"{label} is open."
        case "click-color":
            return f"The {colour} box is {where}, so I click it.", f"Click the {colour} box.", f"The {colour} box is chosen."
        case "click-widget":
            kind = WIDGETS[say["kind"]]
            return f"A {kind} is {where}, so I click it.", f"Click the {kind}.", f"The {kind} is chosen."
        case "identify-shape":
            return f"The {colour} figure is {FIGURES[say['kind']]}, so I click {label}.", f"Click the button {label}.", f"{label} is chosen."
        case "click-button":
            return f"The button {label} is {where}, so I click it.", f"Click the button {label}.", f"The button {label} is pressed."
        case "enter-text" if step == 0:
            return f"The text field is {where}, so I click into it.", "Focus the text field.", "The field has the focus."
        case "enter-text" if step == 1:
            return f"The text field has the focus, so I type {say['name']}.", f"Type {say['name']}.", "The name is in the field."
        case "enter-text":
            return f"The name is typed and Submit is {where}, so I click it.", "Click Submit.", "The name is sent."
        case "app/cookies":
            return f"The button {label} is {where}, so I click it.", f"Click {label}.", "The banner is gone."
        case "app/dialog":
            return f"The x of the message is {where}, so I click it.", "Close the message.", "The message is gone."
        case "app/colour":
            return f"The {colour} square is {where}, so I click it.", f"Click the {colour} square.", f"The {colour} square is chosen."
        case "app/newsletter":
            return f"The email field is {where}, so I click into it.", "Focus the email field.", "The field has the focus."
        case "app/tabs":
            return f"The tab {label} is {where}, so I click it.", f"Open the tab {label}.", f"The tab {label} is open."
        case "app/checkout":
            return f"The button Pay now is {where}, so I click it.", "Pay for the order.", "The order is paid."
    raise ValueError(task)


def prompt(goal, done=()):
    """The rendered conversation up to the model's turn, the image's placeholders expanded."""
    text = goal + ("\nDone: " + " ".join(done) if done else "")
    return f"<|im_start|>user\n{IMAGE}{text}<|im_end|>\n<|im_start|>assistant\n<think>\n"


def answer(task, step, say, point):
    """The model's turn, to the closing tag of the tool call (the end token is not part of it)."""
    thinking, intent, expect = words(task, step, say, region(point))
    if task == "enter-text" and step == 1:
        action, argument = "type", f"<parameter=text>\n{say['name']}\n</parameter>\n"
    else:
        x, y = on_grid(point)
        action, argument = "left_click", f"<parameter=coordinate>\n[{x}, {y}]\n</parameter>\n"
    call = CALL.format(action=action, argument=argument)
    return f"{thinking}\n</think>\n\nIntent: {intent}\nExpect: {expect}\n\n{call}"


DONE = {"enter-text": ((), ("left_click",), ("left_click", "type"))}


def done_before(task, step):
    """The names of the actions that precede a step."""
    return DONE.get(task, ((),))[step]
