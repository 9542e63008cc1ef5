//! How a browser begins and ends, also badly.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aurore_screen::browser::{Browser, BrowserOptions};
use aurore_screen::{Screen, ScreenError};

use crate::pages;
use crate::support::{SHORT, act, click, launch, middle, options};

/// Set for the child in which a test starts a browser and is killed.
const CHILD: &str = "AURORE_SCREEN_TEST_CHILD";

/// Processes whose command names this folder.
fn processes(profile: &Path) -> Vec<i32> {
    let name = profile.as_os_str().as_encoded_bytes();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if command.windows(name.len()).any(|part| part == name) {
            found.push(id);
        }
    }
    found
}

fn gone(profile: &Path) {
    let start = Instant::now();
    while profile.exists() || !processes(profile).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "left behind: {:?} {:?}",
            profile.exists().then_some(profile),
            processes(profile)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn nothing_is_left_of_a_closed_browser() {
    let mut browser = launch(options());
    let profile = browser.profile().to_owned();
    assert!(profile.is_dir() && !processes(&profile).is_empty());
    browser.close();
    gone(&profile);
    assert!(matches!(browser.look(), Err(ScreenError::Closed)));
    let browser = launch(options());
    let profile = browser.profile().to_owned();
    drop(browser);
    gone(&profile);
}

#[test]
fn nothing_is_left_when_the_run_is_killed() {
    if std::env::var_os(CHILD).is_some() {
        let browser = launch(options());
        // Marked, since the test harness prints too.
        println!("profile={}", browser.profile().display());
        std::thread::sleep(Duration::from_mins(1));
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "life::nothing_is_left_when_the_run_is_killed",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let profile = std::io::BufRead::lines(output)
        .map_while(Result::ok)
        .find_map(|line| line.split_once("profile=").map(|(_, path)| PathBuf::from(path)))
        .expect("the child starts a browser");
    assert!(!processes(&profile).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    gone(&profile);
}

#[test]
fn a_missing_browser_is_named() {
    let error = Browser::launch(BrowserOptions {
        path: Some("/nowhere/chromium".into()),
        ..options()
    })
    .err()
    .unwrap();
    assert!(matches!(&error, ScreenError::NotFound { looked_for } if looked_for == "/nowhere/chromium"));
    assert!(error.to_string().contains("--browser-path"));
}

#[test]
fn a_program_that_is_no_browser_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("browser");
    std::fs::write(&program, "#!/bin/sh\necho no display >&2\nexit 3\n").unwrap();
    let mut permissions = std::fs::metadata(&program).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&program, permissions).unwrap();
    let error = Browser::launch(BrowserOptions {
        path: Some(program),
        ..options()
    })
    .err()
    .unwrap();
    assert!(
        matches!(&error, ScreenError::Launch { stderr, .. } if stderr.contains("no display")),
        "{error}"
    );
}

#[test]
fn a_browser_that_dies_is_an_error() {
    let mut browser = launch(options());
    let profile = browser.profile().to_owned();
    let keeper_and_browser = processes(&profile);
    // The keeper's child, which the keeper names on its own command line too.
    for id in keeper_and_browser {
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if !command.starts_with(b"/bin/sh") {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
    }
    let error = browser.look().unwrap_err();
    assert!(matches!(error, ScreenError::Died { .. }), "{error}");
    drop(browser);
    gone(&profile);
}

#[test]
fn a_page_that_never_answers_is_an_error() {
    let mut browser = launch(BrowserOptions {
        navigation_limit: SHORT,
        ..options()
    });
    let error = browser.open(&pages::address("never")).unwrap_err();
    assert!(matches!(error, ScreenError::NeverLoads { .. }), "{error}");
    browser.open(&pages::address("plain")).unwrap();
    assert_eq!(browser.look().unwrap().title, "Page");
}

#[test]
fn a_page_that_hangs_is_an_error_and_can_be_left() {
    let mut browser = launch(BrowserOptions {
        answer_limit: SHORT,
        ..options()
    });
    browser.open(&pages::address("spin")).unwrap();
    let spin = middle(&mut browser, "#spin");
    let error = act(&mut browser, click(spin)).unwrap_err();
    assert!(matches!(error, ScreenError::Hanging { .. }), "{error}");
    let error = browser.look().unwrap_err();
    assert!(matches!(error, ScreenError::Hanging { .. }), "{error}");
    browser.open(&pages::address("plain")).unwrap();
    assert_eq!(browser.look().unwrap().title, "Page");
}

#[test]
fn a_page_that_crashes_is_an_error_and_can_be_left() {
    let mut browser = launch(options());
    browser.open(&pages::address("plain")).unwrap();
    browser.crash_page();
    let error = browser.look().unwrap_err();
    assert!(matches!(error, ScreenError::Crashed { .. }), "{error}");
    browser.open(&pages::address("other")).unwrap();
    assert_eq!(browser.look().unwrap().title, "Page");
}

fn kept(folder: &Path) -> BrowserOptions {
    BrowserOptions {
        profile: Some(folder.to_owned()),
        ..options()
    }
}

#[test]
fn a_profile_is_one_runs_at_a_time_and_keeps_what_pages_store() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile");
    let mut first = launch(kept(&profile));
    first.open(&pages::address("other")).unwrap();
    first
        .evaluate("document.cookie = 'kept=yes; max-age=9999'; localStorage.setItem('kept', 'too')")
        .unwrap();
    let error = Browser::launch(kept(&profile)).err().unwrap();
    assert!(
        error
            .to_string()
            .contains(&format!("in use by the run of process {}", std::process::id())),
        "{error}"
    );
    drop(first);
    let mut second = launch(kept(&profile));
    second.open(&pages::address("other")).unwrap();
    assert_eq!(
        second
            .evaluate("document.cookie + ' ' + localStorage.getItem('kept')")
            .unwrap(),
        "kept=yes too"
    );
    second.close();
    assert!(profile.is_dir(), "it is kept");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&profile).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_profile_is_free_again_when_its_run_was_killed() {
    if let Some(profile) = std::env::var_os(CHILD) {
        let browser = launch(kept(Path::new(&profile)));
        println!("profile={}", browser.profile().display());
        std::thread::sleep(Duration::from_mins(1));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "life::a_profile_is_free_again_when_its_run_was_killed",
            "--nocapture",
        ])
        .env(CHILD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    assert!(
        std::io::BufRead::lines(output)
            .map_while(Result::ok)
            .any(|line| line.contains("profile="))
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let mut browser = launch(kept(folder.path()));
    browser.open(&pages::address("other")).unwrap();
}
