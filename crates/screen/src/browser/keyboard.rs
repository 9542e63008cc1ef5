//! The keyboard: text of any script, chords, held keys; and answers to dialogs.

use std::time::Duration;

use aurore_action::{Chord, Modifier};
use aurore_policy::{Binding, BoundTarget};
use serde_json::{Value, json};

use super::Browser;
use super::amounts::is_enter;
use super::cdp::Waited;
use super::guard::{Armed, Kind, Release, changed};
use super::hit::dialog_target;
use super::keys::KeyInfo;
use super::pointer::modifier_bits;
use crate::secret::{Piece, pieces};
use crate::{ScreenError, SecretRefused};

/// Texts longer than this are inserted by the line, as if pasted; shorter ones are typed key by key.
const KEY_BY_KEY: usize = 1000;

/// How long a real key is held before it repeats, and how often then.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const NEXT_REPEAT: Duration = Duration::from_millis(33);

/// What is said of typing that was broken off.
const PART: &str = "Part of the keys had reached the field that was approved";

/// A piece of input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stroke {
    /// A key, with Shift where the character needs it.
    Key(KeyInfo),
    /// Text that no key types.
    Text(String),
}

impl Browser {
    pub(super) fn type_text(&mut self, binding: &Binding, text: &str) -> Result<(), ScreenError> {
        let (text, secret) = self.with_secrets(binding, text)?;
        if let Some(dialog) = self.dialog()? {
            if secret {
                return Err(ScreenError::Unfit {
                    action: "type",
                    reason: "a dialog shows what is typed into it: no secret goes there".to_owned(),
                });
            }
            return self.type_into_dialog(binding, &dialog_target(&dialog), &dialog.kind, &text);
        }
        let strokes = strokes(&text)?;
        let found = self.approved_focus(binding, text.contains('\n'))?;
        if secret {
            self.conceal(&found)?;
        }
        self.conceal_if_private(&found)?;
        let armed = self.arm(Kind::Key, &found, &Release::Anywhere)?;
        let outcome = self.stroke_all(&armed, &strokes);
        self.disarm(&armed);
        outcome
    }

    fn stroke_all(&mut self, armed: &Armed, strokes: &[Stroke]) -> Result<(), ScreenError> {
        for (done, stroke) in strokes.iter().enumerate() {
            let waited = match stroke {
                Stroke::Key(key) => self.tap(key, if key.shift { 8 } else { 0 })?,
                Stroke::Text(text) => self.input("Input.insertText", &json!({"text": text}))?,
            };
            if let Waited::Stopped = waited {
                return match strokes.len() - done - 1 {
                    0 => Ok(()),
                    left => Err(ScreenError::Unfit {
                        action: "type",
                        reason: format!(
                            "the page was blocked or went away before the last {left} keys could be typed; look again"
                        ),
                    }),
                };
            }
            // The guard itself stops what must not pass; the first answer saves the typing, the last one tells.
            if done == 0 && strokes.len() > 1 {
                self.hear(armed)?.judged(PART)?;
            }
        }
        self.hear(armed)?.judged_last(PART)
    }

    /// Presses a chord once, or holds it.
    pub(super) fn press_chord(
        &mut self,
        binding: &Binding,
        chord: &Chord,
        hold: Option<Duration>,
    ) -> Result<(), ScreenError> {
        if self.dialog()?.is_some() {
            let key = chord.key.as_ref().map_or("", |key| key.name());
            let accept = match key {
                "Enter" if chord.modifiers.is_empty() => true,
                "Escape" if chord.modifiers.is_empty() => false,
                _ => {
                    let page = self.current()?.session;
                    return Err(self.dialog_open(&page));
                }
            };
            return self.answer_dialog(binding, accept);
        }
        let found = self.approved_focus(binding, is_enter(chord))?;
        let armed = self.arm(Kind::Key, &found, &Release::Anywhere)?;
        let outcome = self.chord_down_and_up(&armed, chord, hold);
        self.disarm(&armed);
        outcome
    }

    fn chord_down_and_up(
        &mut self,
        armed: &Armed,
        chord: &Chord,
        hold: Option<Duration>,
    ) -> Result<(), ScreenError> {
        let mut bits = 0;
        for modifier in &chord.modifiers {
            bits |= modifier_bits(&[*modifier]);
            self.key_event("rawKeyDown", &KeyInfo::named(modifier.name()), bits, false)?;
        }
        let key = chord.key.as_ref().map(|key| KeyInfo::named(key.name()));
        let outcome = match &key {
            Some(key) => self.press_key(key, chord, bits, hold),
            None => hold.map_or(Ok(Waited::Answer(Value::Null)), |time| {
                self.pass_time(time, "holding a key")
                    .map(|()| Waited::Answer(Value::Null))
            }),
        };
        // Keys go up again whatever happened in between, so that none stays held.
        for modifier in chord.modifiers.iter().rev() {
            bits &= !modifier_bits(&[*modifier]);
            if matches!(
                outcome,
                Ok(Waited::Answer(_)) | Err(ScreenError::Interrupted { .. })
            ) {
                self.key_event("keyUp", &KeyInfo::named(modifier.name()), bits, false)?;
            }
        }
        outcome?;
        self.hear(armed)?.judged_last(PART)
    }

    fn press_key(
        &mut self,
        key: &KeyInfo,
        chord: &Chord,
        bits: u8,
        hold: Option<Duration>,
    ) -> Result<Waited, ScreenError> {
        // With Control, Alt or Meta held a key types nothing.
        let silent = chord
            .modifiers
            .iter()
            .any(|modifier| *modifier != Modifier::Shift);
        let shifted = key.shift || chord.modifiers.contains(&Modifier::Shift);
        let mut key = key.clone();
        if shifted && key.text.chars().count() == 1 {
            key.text = shifted_text(&key.text);
            key.key.clone_from(&key.text);
        }
        if silent {
            key.text.clear();
        }
        let bits = if key.shift { bits | 8 } else { bits };
        if let Waited::Stopped = self.key_event("keyDown", &key, bits, false)? {
            return Ok(Waited::Stopped);
        }
        if let Some(time) = hold {
            let first = time.min(FIRST_REPEAT);
            self.pass_time(first, "holding a key")?;
            let mut left = time.saturating_sub(first);
            while !left.is_zero() {
                if let Waited::Stopped = self.key_event("keyDown", &key, bits, true)? {
                    return Ok(Waited::Stopped);
                }
                let pause = left.min(NEXT_REPEAT);
                self.pass_time(pause, "holding a key")?;
                left = left.saturating_sub(pause);
            }
        }
        self.key_event("keyUp", &key, bits, false)
    }

    /// Presses a key and lets it go.
    fn tap(&mut self, key: &KeyInfo, bits: u8) -> Result<Waited, ScreenError> {
        match self.key_event("keyDown", key, bits, false)? {
            Waited::Stopped => Ok(Waited::Stopped),
            Waited::Answer(_) => self.key_event("keyUp", key, bits, false),
        }
    }

    fn key_event(
        &mut self,
        kind: &str,
        key: &KeyInfo,
        modifiers: u8,
        repeat: bool,
    ) -> Result<Waited, ScreenError> {
        let kind = if kind == "keyDown" && key.text.is_empty() {
            "rawKeyDown"
        } else {
            kind
        };
        let mut params = json!({
            "type": kind, "modifiers": modifiers, "key": key.key, "code": key.code,
            "windowsVirtualKeyCode": key.number, "nativeVirtualKeyCode": key.number, "autoRepeat": repeat,
        });
        if kind == "keyDown" {
            params["text"] = json!(key.text);
            params["unmodifiedText"] = json!(key.text);
        }
        self.input("Input.dispatchKeyEvent", &params)
    }

    fn answer_dialog(&mut self, binding: &Binding, accept: bool) -> Result<(), ScreenError> {
        let page = self.current()?.session;
        let Some((session, dialog)) = self.cdp.state.dialog_of(&page) else {
            return Err(changed("the dialog has gone".to_owned()));
        };
        let (session, dialog) = (session.clone(), dialog.clone());
        same_dialog(binding, &dialog_target(&dialog))?;
        let mut params = json!({"accept": accept});
        if accept && dialog.kind == "prompt" {
            params["promptText"] = json!(dialog.answer);
        }
        let limit = self.options.answer_limit;
        self.cdp.call_until(
            &Some(session.clone()),
            "Page.handleJavaScriptDialog",
            &params,
            limit,
            |state| {
                state
                    .dialogs
                    .get(&session)
                    .is_none_or(|now| now.number != dialog.number)
            },
        )?;
        // Another one may have followed it already; only this one is done with.
        if self
            .cdp
            .state
            .dialogs
            .get(&session)
            .is_some_and(|now| now.number == dialog.number)
        {
            self.cdp.state.dialogs.remove(&session);
        }
        Ok(())
    }

    fn type_into_dialog(
        &mut self,
        binding: &Binding,
        target: &aurore_action::Target,
        kind: &str,
        text: &str,
    ) -> Result<(), ScreenError> {
        let page = self.current()?.session;
        if kind != "prompt" {
            return Err(self.dialog_open(&page));
        }
        same_dialog(binding, target)?;
        let (line, entered) = match text.split_once('\n') {
            Some((line, "")) => (line, true),
            Some(_) => {
                return Err(ScreenError::Unfit {
                    action: "type",
                    reason: "a prompt takes one line".to_owned(),
                });
            }
            None => (text, false),
        };
        let session = self
            .cdp
            .state
            .dialog_of(&page)
            .map(|(session, _)| session.clone())
            .unwrap_or(page);
        if let Some(dialog) = self.cdp.state.dialogs.get_mut(&session) {
            // The prompt opens with its default selected, so typing replaces it.
            line.clone_into(&mut dialog.answer);
        }
        if !entered {
            return Ok(());
        }
        // The value has just been typed under this very approval.
        let mut binding = binding.clone();
        if let Some(target) = &mut binding.target {
            target.value = Some(line.to_owned());
        }
        self.answer_dialog(&binding, true)
    }

    /// The text with its secrets filled in, and whether there were any.
    fn with_secrets(&mut self, binding: &Binding, text: &str) -> Result<(String, bool), ScreenError> {
        let origin = binding
            .target
            .as_ref()
            .map_or(binding.origin.as_str(), |target| target.origin.as_str());
        let mut filled = String::with_capacity(text.len());
        let mut secret = false;
        for piece in pieces(text) {
            match piece {
                Piece::Plain(text) => filled.push_str(text),
                Piece::Secret(name) => {
                    secret = true;
                    let value = self
                        .options
                        .secrets
                        .as_ref()
                        .ok_or(SecretRefused::NoneConfigured)
                        .and_then(|secrets| secrets.resolve(name, origin))
                        .map_err(|refused| ScreenError::Secret {
                            name: name.to_owned(),
                            refused,
                        })?;
                    filled.push_str(value.reveal());
                }
            }
        }
        Ok((filled, secret))
    }
}

/// The dialog must be the one that was judged.
fn same_dialog(binding: &Binding, target: &aurore_action::Target) -> Result<(), ScreenError> {
    let now = BoundTarget::of(target);
    match &binding.target {
        Some(judged) => judged
            .difference(&now)
            .map_or(Ok(()), |difference| Err(changed(difference))),
        None => Err(changed("a dialog opened that was not judged".to_owned())),
    }
}

/// The strokes that type a text. Line ends are the Enter key, tabs the Tab key.
fn strokes(text: &str) -> Result<Vec<Stroke>, ScreenError> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let by_key = text.chars().count() <= KEY_BY_KEY;
    let mut strokes = Vec::new();
    let mut plain = String::new();
    let flush = |plain: &mut String, strokes: &mut Vec<Stroke>| {
        if !plain.is_empty() {
            strokes.push(Stroke::Text(std::mem::take(plain)));
        }
    };
    for character in text.chars() {
        let key = match character {
            '\n' => Some(KeyInfo::named("Enter")),
            '\t' => Some(KeyInfo::named("Tab")),
            control if control.is_control() => {
                return Err(ScreenError::Unfit {
                    action: "type",
                    reason: format!("the text holds the control character {control:?}; use the key action"),
                });
            }
            other if by_key => KeyInfo::typing(other),
            _ => None,
        };
        match key {
            Some(key) => {
                flush(&mut plain, &mut strokes);
                strokes.push(Stroke::Key(key));
            }
            None => plain.push(character),
        }
    }
    flush(&mut plain, &mut strokes);
    Ok(strokes)
}

/// What a US keyboard types with Shift held.
fn shifted_text(text: &str) -> String {
    let Some(character) = text.chars().next() else {
        return String::new();
    };
    (' '..='~')
        .filter_map(KeyInfo::typing)
        .find(|key| key.shift && KeyInfo::typing(character).is_some_and(|plain| plain.code == key.code))
        .map_or_else(|| character.to_uppercase().to_string(), |key| key.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_keys_where_there_are_keys() {
        let keys = strokes("aé日\r\nB").unwrap();
        let text = |stroke: &Stroke| match stroke {
            Stroke::Key(key) => format!("<{}>", key.key),
            Stroke::Text(text) => text.clone(),
        };
        assert_eq!(
            keys.iter().map(text).collect::<Vec<_>>(),
            ["<a>", "é日", "<Enter>", "<B>"]
        );
    }

    #[test]
    fn long_text_is_inserted_by_the_line() {
        let line = "x".repeat(KEY_BY_KEY);
        assert_eq!(strokes(&format!("{line}\n{line}")).unwrap().len(), 3);
    }

    #[test]
    fn control_characters_are_not_typed() {
        assert!(matches!(strokes("a\u{1b}[A"), Err(ScreenError::Unfit { .. })));
    }

    #[test]
    fn shift_changes_what_a_key_types() {
        assert_eq!(shifted_text("a"), "A");
        assert_eq!(shifted_text("5"), "%");
        assert_eq!(shifted_text("?"), "?");
        assert_eq!(shifted_text("ä"), "Ä");
    }
}
