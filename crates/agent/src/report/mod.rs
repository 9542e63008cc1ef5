//! One self-contained page to look at: frames with marks, thinking, verdicts.

use crate::{Journal, JournalError, RunId};

/// How the page is headed.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// The headline; the goal if absent.
    pub title: Option<String>,
}

/// The runs of a journal as one HTML page.
pub fn html(_journal: &Journal, _runs: &[RunId], _options: &ReportOptions) -> Result<String, JournalError> {
    Ok(String::new())
}
