//! Whether a SCAN shows every key, and how long it takes.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::keys::key_text;
use crate::wire::Client;

/// What a scan has shown.
pub(super) struct Scanned {
    pub(super) took: Duration,
    /// The longest step.
    pub(super) longest: Duration,
    /// Keys that were there and did not come.
    pub(super) missed: u64,
    /// Keys that came again.
    pub(super) again: u64,
}

/// Scans keys 0 to `count - 1`, a thousand at a time.
pub(super) fn scan(socket: &Path, count: u64) -> anyhow::Result<Scanned> {
    let mut client = Client::connect(socket, Duration::from_secs(60))?;
    let mut replies = Vec::new();
    let mut cursor = "0".to_owned();
    let (begun, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let asked = Instant::now();
        let reply = client.ask(&["SCAN", &cursor, "COUNT", "1000"])?;
        longest = longest.max(asked.elapsed());
        let (next, keys) = reply.split_once(' ').unwrap_or((&reply, ""));
        cursor = next.to_owned();
        replies.push(keys.to_owned());
        if cursor == "0" {
            break;
        }
    }
    let took = begun.elapsed();
    let names = || replies.iter().flat_map(|keys| keys.split(' ')).filter(|name| !name.is_empty());
    let seen: HashSet<&str> = names().collect();
    let mut missed = 0;
    for key in 0..count {
        let name = key_text(key);
        missed += u64::from(!seen.contains(std::str::from_utf8(&name).context("a key is no text")?));
    }
    Ok(Scanned { took, longest, missed, again: (names().count() - seen.len()) as u64 })
}
