//! One running server: started on its core, answering, stopped or killed.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal};

use crate::children::{self, Reaped};
use crate::cpus;
use crate::program::Program;
use crate::report::progress;
use crate::wire;

/// The name of the socket in a server's directory; short, because such paths are limited to about 100 bytes.
const SOCKET: &str = "s";

/// How a server is started.
pub(crate) struct Launch<'a> {
    /// Worker threads; programs that have but one ignore it.
    pub(crate) workers: u16,
    /// The cores it may run on.
    pub(crate) cpus: &'a [usize],
    /// A command line that runs the server's own, such as valgrind and its options.
    pub(crate) under: &'a [String],
    /// How long it may take to answer.
    pub(crate) patience: Duration,
}

/// A server that has answered at least once; killed when dropped.
pub(crate) struct Server {
    process: Reaped,
    label: String,
    directory: PathBuf,
    socket: PathBuf,
    stopping: bool,
}

impl Server {
    /// Starts `program` in a directory of its own below `scratch` and waits until it answers.
    pub(crate) fn start(program: &Program, scratch: &Path, launch: &Launch<'_>) -> anyhow::Result<Self> {
        let directory = fresh_directory(scratch)?;
        let mut line: Vec<std::ffi::OsString> = Vec::new();
        // The kernel kills the server when this program dies in a way it can't clean up after.
        if crate::program::installed("setpriv") {
            line.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(Into::into));
        }
        line.extend(launch.under.iter().map(Into::into));
        line.extend(program.command_line(&directory.join(SOCKET), &directory, launch.workers));
        let mut server = Self::spawn(program, &line, directory, launch.cpus)?;
        let asked = Instant::now();
        while !server.answers(program) {
            server.check_alive()?;
            if asked.elapsed() > launch.patience {
                bail!(
                    "{} did not answer within {:?}{}",
                    program.label,
                    launch.patience,
                    last_words(&server.directory)
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    /// Starts `program` bare and returns the time from exec to its first answer. The program is stopped again.
    pub(crate) fn time_to_first_answer(
        program: &Program,
        scratch: &Path,
        cpus: &[usize],
    ) -> anyhow::Result<Duration> {
        let (server, took) = Self::start_until(program, scratch, cpus, pongs)?;
        server.stop()?;
        Ok(took)
    }

    /// Starts `program` bare and returns the time from exec until `is_answered` has the answer it wants.
    pub(crate) fn start_until(
        program: &Program,
        scratch: &Path,
        cpus: &[usize],
        is_answered: impl Fn(&Path) -> bool,
    ) -> anyhow::Result<(Self, Duration)> {
        let directory = fresh_directory(scratch)?;
        let line = program.command_line(&directory.join(SOCKET), &directory, 1);
        let asked = Instant::now();
        let mut server = Self::spawn(program, &line, directory, cpus)?;
        while !is_answered(&server.socket) {
            server.check_alive()?;
            if asked.elapsed() > Duration::from_secs(20) {
                bail!("{} did not answer within 20 s{}", program.label, last_words(&server.directory));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok((server, asked.elapsed()))
    }

    fn spawn(
        program: &Program,
        line: &[std::ffi::OsString],
        directory: PathBuf,
        cpus: &[usize],
    ) -> anyhow::Result<Self> {
        let log = File::create(directory.join("log")).context("cannot create a log file")?;
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(&directory).stdin(Stdio::null());
        command.stdout(log.try_clone().context("cannot share the log file")?).stderr(log);
        // The settings of whoever runs this must not become the server's.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LARDER_") {
                command.env_remove(name);
            }
        }
        cpus::pin(cpus)?;
        let process = Reaped::spawn(&mut command);
        cpus::unpin()?;
        let (label, socket) = (program.label.clone(), directory.join(SOCKET));
        Ok(Server { process: process?, label, directory, socket, stopping: false })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks it to end and waits for it; callgrind writes its counts then, and a drain takes up to 20 s.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.end(Signal::TERM).map(drop)
    }

    /// Ends it with a signal; returns what it wrote to its log.
    pub(crate) fn end(mut self, signal: Signal) -> anyhow::Result<String> {
        self.stopping = true;
        self.process.stop(signal, Duration::from_secs(60))?;
        self.log()
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.directory.join("log")).context("cannot read a log")
    }

    fn answers(&self, program: &Program) -> bool {
        if !program.speaks_resp {
            return UnixStream::connect(&self.socket).is_ok();
        }
        pongs(&self.socket)
    }

    fn check_alive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.process.exit_status() {
            self.stopping = true;
            bail!("{} ended instead of answering ({status}){}", self.label, last_words(&self.directory));
        }
        Ok(())
    }
}

impl Drop for Server {
    /// One that ended unasked has spoilt a measurement: the error on its way up only knows that a socket broke.
    fn drop(&mut self) {
        if self.stopping || children::ending() {
            return;
        }
        if let Some(status) = self.process.exit_status() {
            progress(&format!("{} ended by itself ({status}){}", self.label, last_words(&self.directory)));
        }
    }
}

fn pongs(socket: &Path) -> bool {
    wire::Client::connect(socket, Duration::from_secs(60))
        .and_then(|mut client| client.ask(&["PING"]))
        .is_ok_and(|reply| reply == "+PONG")
}

fn fresh_directory(scratch: &Path) -> anyhow::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let directory = scratch.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

/// The end of what the server wrote, for the error that says it failed.
fn last_words(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(5)..].join("\n    ");
    if tail.is_empty() { "; it wrote nothing".to_owned() } else { format!("; it wrote last:\n    {tail}") }
}
