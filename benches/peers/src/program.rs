//! The programs that are compared: where they are found, what they are called, how they are started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::batch::{REPLY_GET_BYTES, REQUEST_GET_BYTES};
use crate::cli::Options;

/// The source of the echo server; compiled when it is first needed, so that this program needs no build script.
const ECHO_SOURCE: &str = include_str!("../echo.c");

/// A server program.
#[derive(Clone)]
pub(crate) struct Program {
    /// What the tables call it.
    pub(crate) label: String,
    /// Whether it can be asked for a PONG (the echo server and memcached can't).
    pub(crate) speaks_resp: bool,
    path: PathBuf,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Larder { memory: String, more: Vec<OsString> },
    Redis,
    Memcached { more: Vec<OsString> },
    Echo,
}

impl Program {
    /// The program being measured. A Redis or Valkey given in its place is measured against itself.
    pub(crate) fn subject(options: &Options) -> anyhow::Result<Self> {
        let path = match &options.agent {
            Some(path) => path.clone(),
            None => [beside_this_program("larder-agent")?, PathBuf::from("target/release/larder-agent")]
                .into_iter()
                .find(|path| path.exists())
                .context(
                    "no larder-agent beside this program or in target/release: build it with \
                     `cargo build --release -p larder-agent` or give --agent PATH",
                )?,
        };
        let path = resolve(&path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.contains("redis") || name.contains("valkey") {
            return Ok(Program { label: "subject".to_owned(), speaks_resp: true, path, kind: Kind::Redis });
        }
        let kind = Kind::Larder { memory: options.memory_limit.clone(), more: Vec::new() };
        Ok(Program { label: "larder".to_owned(), speaks_resp: true, path, kind })
    }

    /// Whether it is an agent of Larder's, and knows commands that others do not.
    pub(crate) fn is_larder(&self) -> bool {
        matches!(self.kind, Kind::Larder { .. })
    }

    /// The Redis it is compared with.
    pub(crate) fn redis(options: &Options) -> anyhow::Result<Self> {
        let path = resolve(&options.redis)?;
        Ok(Program { label: "redis".to_owned(), speaks_resp: true, path, kind: Kind::Redis })
    }

    /// The Valkey it is compared with, if there is one. One that was asked for and is missing is an error.
    pub(crate) fn valkey(options: &Options) -> anyhow::Result<Option<Self>> {
        let path = match &options.valkey {
            Some(path) => resolve(path)?,
            None if installed("valkey-server") => resolve(Path::new("valkey-server"))?,
            None => return Ok(None),
        };
        Ok(Some(Program { label: "valkey".to_owned(), speaks_resp: true, path, kind: Kind::Redis }))
    }

    /// The program being measured, with so much memory and a disk tier of so many bytes in `directory`.
    pub(crate) fn with_disk(&self, memory: u64, directory: &Path, bytes: u64) -> anyhow::Result<Self> {
        let Kind::Larder { .. } = &self.kind else { bail!("{} has no disk tier", self.path.display()) };
        let more = ["--disk".into(), directory.into(), "--disk-size".into(), bytes.to_string().into()];
        let kind = Kind::Larder { memory: memory.to_string(), more: more.to_vec() };
        Ok(Program { kind, ..self.clone() })
    }

    /// Memcached with so much memory and a file of so many bytes for extstore, which takes values from `least` bytes on.
    pub(crate) fn memcached(memory: u64, file: &Path, bytes: u64, least: usize) -> anyhow::Result<Self> {
        let path = resolve(Path::new("memcached"))?;
        let mib = |bytes: u64| (bytes >> 20).to_string();
        // Its slab pages begin to follow what is asked of them after three looks, not thirty: it has to settle in less time.
        let mut extstore = OsString::from("slab_automove_window=3,ext_path=");
        extstore.push(file);
        extstore.push(format!(":{}m,ext_item_size={least}", mib(bytes)));
        let more = vec!["-m".into(), mib(memory).into(), "-o".into(), extstore];
        Ok(Program {
            label: "memcached".to_owned(),
            speaks_resp: false,
            path,
            kind: Kind::Memcached { more },
        })
    }

    /// The echo server, compiled beside this program (somewhere below `target/`, then).
    pub(crate) fn echo() -> anyhow::Result<Self> {
        let (source, path) = (beside_this_program("peers-echo.c")?, beside_this_program("peers-echo")?);
        std::fs::write(&source, ECHO_SOURCE).with_context(|| format!("cannot write {}", source.display()))?;
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-o"])
            .args([&path, &source])
            .output()
            .context("cannot run cc: a C compiler is needed for the echo server")?;
        if !compiled.status.success() {
            bail!("cc could not compile the echo server:\n{}", String::from_utf8_lossy(&compiled.stderr));
        }
        Ok(Program { label: "echo".to_owned(), speaks_resp: false, path, kind: Kind::Echo })
    }

    /// The command line that serves on `socket` and leaves nothing outside `directory`.
    pub(crate) fn command_line(&self, socket: &Path, directory: &Path, workers: u16) -> Vec<OsString> {
        let mut line = vec![self.path.clone().into_os_string()];
        match &self.kind {
            Kind::Larder { memory, more } => {
                line.extend(["--socket".into(), socket.into()]);
                line.extend(more.iter().cloned());
                line.extend(["--metrics", "127.0.0.1:0", "--memory", memory].map(OsString::from));
                line.extend(["--workers".into(), workers.to_string().into()]);
            }
            Kind::Redis => {
                line.extend(["--port", "0", "--save", "", "--appendonly", "no"].map(OsString::from));
                line.extend(["--daemonize", "no", "--maxclients", "10000"].map(OsString::from));
                line.extend(["--unixsocket".into(), socket.into(), "--dir".into(), directory.into()]);
            }
            Kind::Memcached { more } => {
                line.extend(["-s".into(), socket.into()]);
                line.extend(["-u", "root", "-t", &workers.to_string()].map(OsString::from));
                line.extend(more.iter().cloned());
            }
            Kind::Echo => {
                line.push(socket.into());
                line.extend([REQUEST_GET_BYTES, REPLY_GET_BYTES].map(|bytes| bytes.to_string().into()));
            }
        }
        line
    }

    /// Its name, path and own version text, for the head of the report.
    pub(crate) fn describe(&self) -> String {
        let version = Command::new(&self.path).arg("--version").output();
        let version = match &version {
            Ok(output) => String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").to_owned(),
            Err(_) => String::new(),
        };
        format!("{}: {} ({version})", self.label, self.path.display())
    }
}

/// True if `name` is a program in PATH.
pub(crate) fn installed(name: &str) -> bool {
    resolve(Path::new(name)).is_ok()
}

fn beside_this_program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe().context("cannot tell where this program is")?.with_file_name(name))
}

/// An absolute path (servers are started in directories of their own), searching PATH for bare names.
fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    if path.components().count() == 1 && !path.exists() {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&paths).map(|directory| directory.join(path)).find(|path| path.is_file());
        return found
            .with_context(|| format!("{} is not in PATH: install it or give its path", path.display()));
    }
    if !path.is_file() {
        bail!("{} is not there: give the path of a program", path.display());
    }
    // Not canonicalized: a program behind several links goes by the name it was called with.
    std::path::absolute(path).with_context(|| format!("{} has no absolute path", path.display()))
}
