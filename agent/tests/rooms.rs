//! Which room of the agent may know which: what `ARCHITECTURE.md` says, read off the `use crate::` lines.

use std::path::{Path, PathBuf};

/// A room, and the rooms that it must not know.
const STRANGERS: &[(&str, &[&str])] = &[
    ("resp", &["command", "config", "log", "metrics", "ping", "run", "server"]),
    ("config", &["command", "log", "metrics", "ping", "resp", "run", "server"]),
    ("command", &["log", "ping", "run"]),
    ("server", &["log", "ping", "run"]),
    ("metrics", &["log", "ping", "run", "resp"]),
    ("ping", &["command", "log", "metrics", "resp", "run", "server"]),
    ("log", &["command", "metrics", "ping", "resp", "run", "server"]),
];

fn files_of(room: &Path, files: &mut Vec<PathBuf>) {
    let Ok(directory) = std::fs::read_dir(room) else { return };
    for path in directory.map(|entry| entry.expect("readable directory").path()) {
        if path.is_dir() { files_of(&path, files) } else { files.push(path) }
    }
}

#[test]
fn rooms_know_each_other_one_way_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, strangers) in STRANGERS {
        let mut files = vec![source.join(format!("{room}.rs"))];
        files_of(&source.join(room), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a room's file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for stranger in *strangers {
                assert!(
                    !text.contains(&format!("crate::{stranger}::")),
                    "{} knows {stranger}, which it must not",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn yaml_is_read_in_one_file() {
    let mut files = Vec::new();
    files_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let users: Vec<_> = files
        .iter()
        .filter(|file| std::fs::read_to_string(file).expect("a source file").contains("serde_yaml::"))
        .collect();
    assert_eq!(users.len(), 1, "replacing serde_yaml shall stay a small change: {users:?}");
}
