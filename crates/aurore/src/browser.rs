//! The options that start a browser, the same in every command that works in one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use aurore_action::Size;
use aurore_chat::AgentSettings;
use aurore_screen::browser::{Browser, BrowserOptions};

use crate::secrets::Keyring;

/// Options of the browser.
#[derive(Debug, Clone, clap::Args)]
pub struct BrowserChoice {
    /// Show the browser's window.
    #[arg(long)]
    pub show: bool,
    /// The browser, if it is not on PATH.
    #[arg(long, value_name = "FILE")]
    pub browser_path: Option<PathBuf>,
    /// Keep the browser's profile (cookies, logins, what pages store) in this folder, for one run at a time; a throw-away
    /// one if absent.
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
    /// Size of the page in CSS pixels; what the model was trained on if absent, else 1280x800.
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub viewport: Option<Size>,
    /// Frame pixels per CSS pixel.
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = parse_scale)]
    pub scale: f64,
    /// Where secrets are that may be typed by name; `secrets.toml` beside your rules if absent.
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
}

impl BrowserChoice {
    /// Starts the browser for a model with these wishes. What the person should know about it goes to standard error.
    ///
    /// # Errors
    /// When there is no browser or it does not start.
    pub fn launch(&self, settings: &AgentSettings, stop: &Arc<AtomicBool>) -> anyhow::Result<Browser> {
        let mut options = BrowserOptions {
            path: self.browser_path.clone(),
            profile: self.profile.clone(),
            show: self.show,
            scale: self.scale,
            stop: Arc::clone(stop),
            ..BrowserOptions::default()
        };
        let keyring = Keyring::open(self.secrets.as_deref())?;
        if !keyring.is_empty() {
            options.secrets = Some(Box::new(keyring));
        }
        let wished = settings.viewport.map(|[width, height]| Size { width, height });
        if let Some(viewport) = self.viewport.or(wished) {
            options.viewport = viewport;
        }
        Browser::launch(options).context("the browser does not start")
    }
}

/// Sides beyond these are mistakes or attacks on memory.
const SIDES: std::ops::RangeInclusive<u32> = 64..=8192;

fn parse_size(text: &str) -> Result<Size, String> {
    let size = text
        .split_once(['x', 'X', '×'])
        .and_then(|(width, height)| Some((width.trim().parse().ok()?, height.trim().parse().ok()?)));
    match size {
        Some((width, height)) if SIDES.contains(&width) && SIDES.contains(&height) => {
            Ok(Size { width, height })
        }
        Some(_) => Err("sides are 64 to 8192 pixels".to_owned()),
        None => Err("write it as 1280x800".to_owned()),
    }
}

fn parse_scale(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(scale) if (0.25..=4.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0.25 to 4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_sides_within_reason() {
        assert_eq!(
            parse_size("160x210"),
            Ok(Size {
                width: 160,
                height: 210
            })
        );
        for wrong in ["160", "160x", "x210", "0x0", "1e9x2", "100000x100", "-5x9"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scales_are_within_reason() {
        assert_eq!(parse_scale("2"), Ok(2.0));
        for wrong in ["0", "nan", "-1", "100", "x"] {
            assert!(parse_scale(wrong).is_err(), "{wrong}");
        }
    }
}
