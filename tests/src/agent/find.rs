//! Where the agent's binary is.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The profiles that the agent may have been built with, as directories of the target directory.
const PROFILES: [&str; 3] = ["release", "checked", "debug"];

/// `LARDER_AGENT_BIN`, else the most recently built `larder-agent` of any profile in the target directory that this
/// test itself was built into, else in the repository's own `target`. (The most recent: with a fixed order, a
/// forgotten release build would be tested instead of what was just changed.)
///
/// # Panics
/// When there is none, with what to do about it.
pub fn agent_binary() -> PathBuf {
    if let Some(given) = std::env::var_os("LARDER_AGENT_BIN").map(PathBuf::from) {
        assert!(given.is_file(), "LARDER_AGENT_BIN={} is no file", given.display());
        return given;
    }
    let executable = std::env::current_exe().expect("a process knows its executable");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    // target/PROFILE/deps/TEST
    let own = executable.ancestors().nth(3).unwrap_or(&repository);
    newest(own).or_else(|| newest(&repository)).unwrap_or_else(|| {
        panic!(
            "no larder-agent in {} or {}: run `cargo build -p larder-agent`, or set LARDER_AGENT_BIN",
            own.display(),
            repository.display()
        )
    })
}

fn newest(target: &Path) -> Option<PathBuf> {
    let built = |path: &PathBuf| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let candidates = PROFILES.iter().map(|profile| target.join(profile).join("larder-agent"));
    candidates.filter(|path| path.is_file()).max_by_key(built)
}
