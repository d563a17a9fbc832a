//! Which room of the engine may know which: what `ARCHITECTURE.md` says, read off the `use crate::` lines.

use std::path::Path;

/// Rooms that decide, which those that they decide about do not know; nobody is a stranger to itself.
const ABOVE: &[&str] =
    &["cache", "section", "shard", "memory", "index", "key", "held", "databases", "watch", "policy"];

/// A room, the rooms above that it may know, and those besides that it must not.
const STRANGERS: &[(&str, &[&str], &[&str])] = &[
    ("memory", &[], &[]),
    ("index", &[], &["clock"]),
    ("clock", &[], &[]),
    ("key", &[], &[]),
    ("watch", &["key"], &[]),
    ("databases", &["key"], &[]),
    ("disk", &[], &[]),
    ("ledger", &[], &["disk", "journal", "validity", "fills"]),
    ("tier", &[], &["validity", "fills", "ledger"]),
    ("budget", &[], &["disk", "journal"]),
    ("validity", &[], &["disk", "ledger", "tier"]),
    ("shard", &["memory", "index", "key", "watch", "policy"], &[]),
    ("journal", &[], &["value"]),
];

#[test]
fn rooms_know_each_other_one_way_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for (room, known, besides) in STRANGERS {
        let above = ABOVE.iter().filter(|above| *above != room && !known.contains(above));
        let strangers: Vec<_> = above.chain(*besides).collect();
        let mut files = vec![source.join(format!("{room}.rs"))];
        let mut directories = vec![source.join(room)];
        while let Some(directory) = directories.pop() {
            let Ok(directory) = std::fs::read_dir(directory) else { continue };
            let paths = directory.map(|entry| entry.expect("readable directory").path());
            let (more, found): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
            directories.extend(more);
            files.extend(found);
        }
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a room's file");
            // What tests use stands behind the room.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for stranger in &strangers {
                checked += 1;
                let path = format!("crate::{stranger}");
                let knows =
                    text.match_indices(&path).any(|(at, _)| !text[at + path.len()..].starts_with('_'));
                assert!(!knows, "{} knows {stranger}, which it must not", file.display());
            }
        }
    }
    assert!(checked > 100, "only {checked} pairs were looked at");
}
