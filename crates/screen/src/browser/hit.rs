//! What stands under a point, or has the focus: the DOM's hit test, followed through frames and shadow trees, put
//! beside what the accessibility tree says.

use aurore_action::{Action, FieldKind, Form, Point, Rect, Target};
use aurore_policy::origin_of;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cdp::Dialog;
use super::world::{Argument, Handle, World};
use super::{Browser, amounts};
use crate::ScreenError;

/// Frames within frames are followed this deep.
const DEEPEST: usize = 20;

/// An element that an input would operate.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that describe.js tells, one field each"
)]
pub(super) struct Found {
    /// The world of its document.
    pub(super) world: World,
    /// The element.
    pub(super) element: Handle,
    /// What the guard compares.
    pub(super) print: String,
    /// What rules are told.
    pub(super) target: Target,
    /// Whether it is a drop-down list, which takes keys without the page's events.
    pub(super) list: bool,
    /// Whether it is a canvas, whose content only its pixels tell.
    pub(super) painted: bool,
    /// Whether a press of it may be about money.
    pub(super) priced: bool,
    /// Amounts of money in its own document, which the guard there holds on to.
    pub(super) amounts: Option<Vec<String>>,
    /// Whether Enter in it sends its form.
    pub(super) enters: bool,
}

/// What the page's side says about an element.
#[derive(Debug, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the answers that describe.js gives, one field each"
)]
struct Description {
    role: String,
    label: String,
    text: String,
    value: Option<String>,
    field: FieldKind,
    origin: String,
    url: String,
    link: Option<String>,
    form: Option<Form>,
    enters: bool,
    /// Left, top, width, height in CSS pixels of the document's own viewport.
    #[serde(rename = "box")]
    bounds: [f64; 4],
    enabled: bool,
    operable: bool,
    list: bool,
    painted: bool,
    priced: bool,
    document: String,
    print: String,
}

/// The DOM's own facts about a node.
struct Node {
    backend: i64,
    /// The frame that it shows, if it is one.
    frame: Option<String>,
    /// Closed shadow roots, which scripts cannot enter.
    closed: Vec<i64>,
}

/// How a document's CSS pixels lie in the tab's.
#[derive(Debug, Clone, Copy)]
struct Placement {
    left: f64,
    top: f64,
    scale_x: f64,
    scale_y: f64,
}

/// Where an iframe's own document begins: its box, the part of it that is border and padding, and its size before
/// any transform.
#[derive(Debug, Deserialize)]
struct Inset {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    own_width: f64,
    own_height: f64,
    left: f64,
    top: f64,
}

const INSET: &str = "(frame) => {
    const box = aurore.dom.rect(frame);
    const style = getComputedStyle(frame);
    return { x: box.x, y: box.y, width: box.width, height: box.height,
        own_width: frame.offsetWidth || box.width, own_height: frame.offsetHeight || box.height,
        left: frame.clientLeft + parseFloat(style.paddingLeft) || 0, top: frame.clientTop + parseFloat(style.paddingTop) || 0 };
}";

impl Placement {
    const TAB: Self = Self {
        left: 0.0,
        top: 0.0,
        scale_x: 1.0,
        scale_y: 1.0,
    };

    fn inside(self, inset: &Inset) -> Self {
        let share = |shown: f64, own: f64| {
            if own > 0.0 && shown > 0.0 {
                shown / own
            } else {
                1.0
            }
        };
        let (across, down) = (
            share(inset.width, inset.own_width),
            share(inset.height, inset.own_height),
        );
        Self {
            left: self.left + self.scale_x * (inset.x + across * inset.left),
            top: self.top + self.scale_y * (inset.y + down * inset.top),
            scale_x: self.scale_x * across,
            scale_y: self.scale_y * down,
        }
    }

    fn to_own(self, (x, y): (f64, f64)) -> (f64, f64) {
        ((x - self.left) / self.scale_x, (y - self.top) / self.scale_y)
    }
}

impl Browser {
    /// What an action would hit.
    pub(super) fn target_of(&mut self, action: &Action) -> Result<Option<Target>, ScreenError> {
        let mut found = match action {
            Action::MouseDown { at: None } | Action::MouseUp { at: None } => {
                let at = self.pointer_pixel();
                return self.target_under(at).map(Some);
            }
            Action::Scroll { at: None, .. } => return self.target_under(self.middle()).map(Some),
            _ if action.is_keyboard() => {
                if let Some(dialog) = self.dialog()? {
                    return Ok(Some(dialog_target(&dialog)));
                }
                self.focused()?
            }
            _ => match action.point() {
                Some(at) => return self.target_under(at).map(Some),
                None => return Ok(None),
            },
        };
        let sends = amounts::sends(action);
        self.read_amounts(&mut found, sends)?;
        if let Some(form) = &mut found.target.form
            && found.enters
            && sends
        {
            form.submits = true;
        }
        self.release(&found.world.session);
        Ok(Some(found.target))
    }

    /// What stands under a point, for rules.
    pub(super) fn target_under(&mut self, at: Point) -> Result<Target, ScreenError> {
        if let Some(dialog) = self.dialog()? {
            return Ok(dialog_target(&dialog));
        }
        let mut found = self.found_at(at)?;
        self.read_amounts(&mut found, false)?;
        self.release(&found.world.session);
        Ok(found.target)
    }

    /// The element under a point of the frame.
    pub(super) fn found_at(&mut self, at: Point) -> Result<Found, ScreenError> {
        let spot = self.css(at);
        self.follow(|browser, world, placement| {
            let (x, y) = placement.to_own(spot);
            let mut element = browser.handle(
                world,
                "(x, y) => aurore.hit(x, y)",
                &[Argument::Value(json!(x)), Argument::Value(json!(y))],
            )?;
            let mut node = browser.node(world, &element)?;
            for _ in 0..DEEPEST {
                let Some(root) = node.closed.first() else { break };
                let root = browser.resolve(world, *root)?;
                let arguments = [
                    Argument::Value(json!(x)),
                    Argument::Value(json!(y)),
                    Argument::Handle(&root),
                ];
                let inner = browser.handle(
                    world,
                    "(x, y, root) => aurore.dom.top(root, x, y) ? aurore.hit(x, y, root) : root.host",
                    &arguments,
                )?;
                let inner_node = browser.node(world, &inner)?;
                if inner_node.backend == node.backend {
                    break;
                }
                (element, node) = (inner, inner_node);
            }
            let arguments = [
                Argument::Handle(&element),
                Argument::Value(json!(x)),
                Argument::Value(json!(y)),
            ];
            let seen = browser.value(world, "(element, x, y) => aurore.seen(element, x, y)", &arguments)?;
            Ok((element, node, seen))
        })
    }

    /// The element that has the focus.
    pub(super) fn focused(&mut self) -> Result<Found, ScreenError> {
        self.follow(|browser, world, _| {
            let element = browser.handle(world, "() => aurore.focused()", &[])?;
            let node = browser.node(world, &element)?;
            Ok((element, node, true))
        })
    }

    /// Looks for an element with `find`, first in the tab's document, then in the frame that was found, and so on.
    fn follow(
        &mut self,
        mut find: impl FnMut(&mut Self, &World, Placement) -> Result<(Handle, Node, bool), ScreenError>,
    ) -> Result<Found, ScreenError> {
        let page = self.current()?;
        let (mut session, mut frame) = (page.session, page.target);
        let mut placement = Placement::TAB;
        let mut seen = true;
        for _ in 0..DEEPEST {
            let world = self.world(&session, &frame)?;
            let (element, node, visible) = find(self, &world, placement)?;
            seen &= visible;
            let Some(inner) = node.frame else {
                return self.describe(world, &element, placement, seen);
            };
            let inset: Inset = self.value(&world, INSET, &[Argument::Handle(&element)])?;
            placement = placement.inside(&inset);
            if let Some(own) = self.cdp.state.frames.get(&inner) {
                session = own.clone();
            }
            frame = inner;
        }
        Err(ScreenError::Unfit {
            action: "looking",
            reason: format!("the page has more than {DEEPEST} frames within each other"),
        })
    }

    fn node(&mut self, world: &World, element: &Handle) -> Result<Node, ScreenError> {
        let method = "DOM.describeNode";
        let answer = self.ask(&world.session, method, &json!({"objectId": element.0}))?;
        let node = &answer["node"];
        let backend = node["backendNodeId"]
            .as_i64()
            .ok_or_else(|| ScreenError::Answer {
                method: method.to_owned(),
                field: "backendNodeId".to_owned(),
            })?;
        let holder = matches!(
            node["localName"].as_str(),
            Some("iframe" | "frame" | "object" | "embed" | "fencedframe")
        );
        let closed = node["shadowRoots"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|root| root["shadowRootType"] == "closed")
            .filter_map(|root| root["backendNodeId"].as_i64())
            .collect();
        Ok(Node {
            backend,
            frame: node["frameId"].as_str().filter(|_| holder).map(str::to_owned),
            closed,
        })
    }

    fn describe(
        &mut self,
        world: World,
        innermost: &Handle,
        placement: Placement,
        seen: bool,
    ) -> Result<Found, ScreenError> {
        let element = self.handle(
            &world,
            "(element) => aurore.semantic(element)",
            &[Argument::Handle(innermost)],
        )?;
        let said: Description = self.value(
            &world,
            "(element) => aurore.describe(element)",
            &[Argument::Handle(&element)],
        )?;
        let node = self.node(&world, &element)?;
        let accessible = self.accessible(&world, &element)?;
        let agrees = seen && accessible.agrees_with(&said);
        let mut form = said.form;
        if let Some(form) = &mut form {
            form.fields.sort_unstable();
            form.fields.dedup();
        }
        let target = Target {
            role: accessible.role.unwrap_or(said.role),
            label: accessible.name.unwrap_or(said.label),
            value: said.value,
            field: said.field,
            origin: said.origin,
            url: said.url,
            link: said.link,
            form,
            bounds: Some(self.pixels(placement, said.bounds)),
            identity: format!("{}/{}/{}", world.frame, said.document, node.backend),
            agrees,
            enabled: said.enabled,
            amounts: Vec::new(),
        };
        Ok(Found {
            world,
            element,
            print: said.print,
            target,
            list: said.list,
            painted: said.painted,
            priced: said.priced,
            amounts: None,
            enters: said.enters,
        })
    }

    /// A box of a document, in frame pixels.
    fn pixels(&self, placement: Placement, [x, y, width, height]: [f64; 4]) -> Rect {
        let scale = self.options.scale;
        Rect {
            x: ((placement.left + placement.scale_x * x) * scale).round() as i32,
            y: ((placement.top + placement.scale_y * y) * scale).round() as i32,
            width: (placement.scale_x * width * scale).round() as u32,
            height: (placement.scale_y * height * scale).round() as u32,
        }
    }

    fn accessible(&mut self, world: &World, element: &Handle) -> Result<Accessible, ScreenError> {
        let params = json!({"objectId": element.0, "fetchRelatives": false});
        let answer = self.ask(&world.session, "Accessibility.getPartialAXTree", &params)?;
        let node = &answer["nodes"][0];
        let name = node["name"]["value"]
            .as_str()
            .map(fold)
            .filter(|name| !name.is_empty());
        Ok(Accessible {
            ignored: node["ignored"] != Value::Bool(false),
            // Chromium's own roles have names that no rule knows.
            role: node["role"]["value"]
                .as_str()
                .filter(|role| node["role"]["type"] == "role" && !matches!(*role, "none" | "generic"))
                .map(str::to_owned),
            name,
        })
    }
}

/// What the accessibility tree says about an element.
struct Accessible {
    ignored: bool,
    role: Option<String>,
    name: Option<String>,
}

impl Accessible {
    /// Whether it tells of the same thing as what is seen: a control that is hidden from it, or that it calls by
    /// words of which none is to be read there, is not.
    fn agrees_with(&self, said: &Description) -> bool {
        if said.operable && self.ignored {
            return false;
        }
        let Some(name) = &self.name else { return true };
        let words = |text: &str| -> Vec<String> {
            text.to_lowercase()
                .split(|character: char| !character.is_alphanumeric())
                .filter(|word| word.chars().count() > 2)
                .map(str::to_owned)
                .collect()
        };
        let (seen, told) = (words(&said.text), words(name));
        !said.operable || seen.is_empty() || told.is_empty() || seen.iter().any(|word| told.contains(word))
    }
}

/// Whitespace folded, at most 200 characters.
fn fold(text: &str) -> String {
    let folded: Vec<&str> = text.split_whitespace().collect();
    folded.join(" ").chars().take(200).collect()
}

/// A JavaScript dialog as a target: it stands over the whole page.
pub(super) fn dialog_target(dialog: &Dialog) -> Target {
    Target {
        role: "alertdialog".to_owned(),
        label: fold(&dialog.message),
        value: (dialog.kind == "prompt").then(|| dialog.answer.clone()),
        field: if dialog.kind == "prompt" {
            FieldKind::Text
        } else {
            FieldKind::None
        },
        origin: origin_of(&dialog.url),
        url: dialog.url.clone(),
        link: None,
        form: None,
        bounds: None,
        identity: format!("dialog/{}", dialog.number),
        agrees: true,
        enabled: true,
        amounts: Vec::new(),
    }
}
