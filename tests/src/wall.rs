//! A wall clock that a test may set, for a program of its own: the machine's stays as it is, and so do all other clocks.
//!
//! It is a library that is preloaded, so the program has to be linked dynamically. The times of files are the machine's.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

const SOURCE: &str = include_str!("wall/wall.c");
const NANOS_A_MS: i64 = 1_000_000;

/// Such a clock, for every program that is started with its environment.
#[derive(Debug)]
pub struct Wall {
    directory: TempDir,
    shared: File,
    offset_ms: AtomicI64,
}

impl Wall {
    /// One that shows the machine's time. `None`, said loudly, where there can be none: the test has to skip what it wanted to
    /// show.
    pub fn new() -> Option<Self> {
        let made = Self::try_new();
        #[allow(
            clippy::print_stderr,
            reason = "the person who runs the tests must see what they do not show"
        )]
        if let Err(reason) = &made {
            eprintln!("!!! NO WALL CLOCK TO SET ({reason}): what this test says of its steps IS NOT TESTED");
        }
        made.ok()
    }

    fn try_new() -> Result<Self, String> {
        if cfg!(not(all(target_arch = "x86_64", target_env = "gnu"))) {
            return Err("it is known for x86-64 and glibc only".to_owned());
        }
        let words = |error: std::io::Error| error.to_string();
        let directory = TempDir::with_prefix("larder-wall-").map_err(words)?;
        let source = directory.path().join("wall.c");
        std::fs::write(&source, SOURCE).map_err(words)?;
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .args([directory.path().join("wall.so"), source])
            .output()
            .map_err(|error| format!("cc: {error}"))?;
        if !compiled.status.success() {
            return Err(String::from_utf8_lossy(&compiled.stderr).into_owned());
        }
        let path = directory.path().join("offset");
        let shared = File::options().write(true).create_new(true).open(path).map_err(words)?;
        shared.write_all_at(&0_i64.to_ne_bytes(), 0).map_err(words)?;
        Ok(Self { directory, shared, offset_ms: AtomicI64::new(0) })
    }

    /// What a program is to be started with.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let path = |name| self.directory.path().join(name).display().to_string();
        [("LD_PRELOAD", path("wall.so")), ("WALL_OFFSET_FILE", path("offset"))]
    }

    /// Steps by so much from where it stands, for all programs at once.
    pub fn step(&self, ms: i64) {
        let offset_ms = self.offset_ms.fetch_add(ms, Relaxed) + ms;
        self.shared
            .write_all_at(&(offset_ms * NANOS_A_MS).to_ne_bytes(), 0)
            .expect("a file of eight bytes can be written");
    }

    /// How far it is ahead of the machine's.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Relaxed)
    }

    /// What it shows: milliseconds since 1970.
    pub fn unix_ms(&self) -> i64 {
        let since: Duration = UNIX_EPOCH.elapsed().expect("it is after 1970");
        since.as_millis() as i64 + self.offset_ms()
    }
}
