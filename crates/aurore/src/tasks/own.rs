//! A page of the person's own: an address, or a file that is served from here.

use std::path::Path;

use super::{Site, Suite, Task};
use crate::failure::hinted;

/// Longest name of a page in names of files.
const LONGEST: usize = 40;

/// An own page.
pub struct OwnPage {
    /// Serves it, if it is a file.
    site: Option<Site>,
    address: String,
    name: String,
}

impl OwnPage {
    /// What a person named: a file of HTML, or a whole address in which `{seed}` stands for the seed.
    ///
    /// # Errors
    /// When it is neither, or the file cannot be served.
    pub fn find(named: &str) -> anyhow::Result<Self> {
        let file = Path::new(named);
        if file.is_file() {
            let site = Site::of_page(file.to_path_buf())?;
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            return Ok(Self {
                address: format!("{}/own/page.html", site.origin()),
                name: plain(&stem),
                site: Some(site),
            });
        }
        let address = url::Url::parse(named).ok();
        let Some(address) = address.filter(|address| matches!(address.scheme(), "http" | "https")) else {
            return Err(hinted(
                format!("{named:?} is no page"),
                "name a file of HTML, or a whole address such as http://localhost:8080/orders?case={seed}",
            ));
        };
        let last = address
            .path_segments()
            .and_then(|mut segments| segments.rfind(|part| !part.is_empty()));
        let stem = last.map(|part| part.split('.').next().unwrap_or(part));
        let name = plain(stem.or(address.host_str()).unwrap_or_default());
        Ok(Self {
            site: None,
            address: named.to_owned(),
            name,
        })
    }

    /// The page as a task.
    pub fn task(&self) -> Task {
        Task {
            suite: Suite::Own,
            name: self.name.clone(),
            address: self.address.clone(),
        }
    }

    /// Who serves it, if it is a file.
    pub fn into_site(self) -> Option<Site> {
        self.site
    }
}

/// A text as part of a file's name.
fn plain(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .take(LONGEST)
        .collect();
    match plain.trim_matches('-') {
        "" => "page".to_owned(),
        name => name.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_addresses_or_files() {
        let name = |named: &str| OwnPage::find(named).map(|page| page.task().name);
        assert_eq!(
            name("https://shop.example/orders/new.php?case={seed}").unwrap(),
            "new"
        );
        assert_eq!(name("http://shop.example/").unwrap(), "shop-example");
        assert_eq!(name("http://127.0.0.1:80/{seed}/").unwrap(), "7bseed-7d");
        for wrong in ["nothing.html", "file:///etc/passwd", "javascript:1", ""] {
            let error = OwnPage::find(wrong).err().unwrap();
            assert!(error.to_string().contains("is no page"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("My page.html");
        std::fs::write(&file, "<!doctype html>").unwrap();
        let page = OwnPage::find(&file.display().to_string()).unwrap();
        assert_eq!(page.task().name, "my-page");
        assert!(page.address.ends_with("/own/page.html"), "{}", page.address);
    }
}
