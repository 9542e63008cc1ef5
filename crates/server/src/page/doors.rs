//! Links that open the page once, and cookies of the browsers that came over one. Both are gone when the server ends.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::ENTRANCE;
use crate::keys::{Hash, fresh, hash, is_same};

/// Links that were given out and not used.
const MOST_LINKS: usize = 16;
/// Browsers that came in.
const MOST_BROWSERS: usize = 64;

/// Who may come in, and who has. Of both only hashes are kept, the oldest being forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    links: Mutex<VecDeque<Hash>>,
    browsers: Mutex<VecDeque<Hash>>,
}

impl Doors {
    /// A path that opens once.
    pub(crate) fn link(&self) -> Result<String, getrandom::Error> {
        let token = fresh()?;
        remember(&self.links, &token, MOST_LINKS);
        Ok(format!("{ENTRANCE}?token={token}"))
    }

    /// Uses up a link's token: a cookie for it, if it is one.
    pub(super) fn open(&self, token: &str) -> Result<Option<String>, getrandom::Error> {
        let cookie = fresh()?;
        let token = hash(token);
        {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            let before = links.len();
            links.retain(|known| !is_same(known, &token));
            if links.len() == before {
                return Ok(None);
            }
        }
        remember(&self.browsers, &cookie, MOST_BROWSERS);
        Ok(Some(cookie))
    }

    /// Lets somebody in without a link: a secret that is known from now on.
    pub(crate) fn admit(&self) -> Result<String, getrandom::Error> {
        let secret = fresh()?;
        remember(&self.browsers, &secret, MOST_BROWSERS);
        Ok(secret)
    }

    /// Whether a cookie is one of those given out.
    pub(crate) fn knows(&self, cookie: &str) -> bool {
        let cookie = hash(cookie);
        let browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        browsers.iter().filter(|known| is_same(known, &cookie)).count() > 0
    }
}

fn remember(list: &Mutex<VecDeque<Hash>>, secret: &str, most: usize) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(hash(secret));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_once() {
        let doors = Doors::default();
        let path = doors.link().unwrap();
        let token = path.split_once('=').unwrap().1;
        assert_eq!(doors.open("aurore-guess").unwrap(), None);
        let cookie = doors.open(token).unwrap().unwrap();
        assert!(doors.knows(&cookie) && !doors.knows(token) && !doors.knows(""));
        assert_eq!(doors.open(token).unwrap(), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let doors = Doors::default();
        let paths: Vec<String> = (0..=MOST_LINKS).map(|_| doors.link().unwrap()).collect();
        let mut opened = paths.iter().map(|path| {
            let token = path.split_once('=').unwrap().1;
            doors.open(token).unwrap().is_some()
        });
        assert!(!opened.next().unwrap() && opened.all(|opened| opened));
    }
}
