//! The agent under test and its directory: how it is started, again and again, and how it ends.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use larder_tests::agent::{Agent, Builder};
use larder_tests::once::run_agent;
use rustix::process::Signal;
use tempfile::TempDir;

use super::random::Random;

/// Whether the agent has a disk tier; without one every restart is empty.
static DISK_OFFERED: LazyLock<bool> = LazyLock::new(|| run_agent(&["--help"]).stdout.contains("--disk "));

pub(crate) fn has_disk() -> bool {
    *DISK_OFFERED
}

/// An agent that is started many times over the same directory.
pub(crate) struct Subject {
    // Before the directory, so that it is gone when that is removed.
    agent: Option<Agent>,
    directory: TempDir,
    flags: Vec<String>,
    /// What becomes the agent, if anything does.
    through: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Subject {
    /// One whose data set does not fit in memory where there is a disk, and does where there is none.
    pub(crate) fn new() -> Self {
        let memory = if has_disk() { "12MiB" } else { "64MiB" };
        Self::with(memory, "256MiB", &[])
    }

    /// The same over a disk of somebody else's, or in its own directory.
    pub(crate) fn over(disk: Option<&Path>) -> Self {
        let mut subject = Self::placed("12MiB", "64MiB", &[], disk);
        // A process that a limit keeps from writing is ended unless it asked not to be.
        let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
        subject.through = ignoring.map(String::from).into();
        subject
    }

    pub(crate) fn with(memory: &str, disk: &str, more: &[&str]) -> Self {
        Self::placed(memory, disk, more, None)
    }

    /// The one place where the agent's flags are chosen.
    fn placed(memory: &str, disk: &str, more: &[&str], place: Option<&Path>) -> Self {
        let directory = TempDir::with_prefix("larder-oracle-").expect("a temporary directory can be made");
        let mut flags: Vec<String> = ["--memory", memory, "--max-value", "1MiB"].map(String::from).into();
        if has_disk() {
            let path = place.unwrap_or(directory.path()).join("disk");
            std::fs::create_dir(&path).expect("a directory can be made");
            flags.extend(["--disk".into(), path.display().to_string()]);
            flags.extend(["--disk-size", disk, "--seal", "on"].map(String::from));
        }
        flags.extend(more.iter().map(ToString::to_string));
        Self { agent: None, directory, flags, through: Vec::new(), environment: Vec::new() }
    }

    fn builder(&self) -> Builder {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let through: Vec<&str> = self.through.iter().map(String::as_str).collect();
        let builder = Agent::builder().args(&flags).through(&through);
        self.environment.iter().fold(builder, |builder, (name, value)| builder.env(name, value))
    }

    /// Starts it, with so many workers, and waits until it answers.
    pub(crate) fn start(&mut self, workers: u64) -> &mut Agent {
        assert!(self.agent.is_none(), "it runs already");
        let agent = self.builder().args(&["--workers", &workers.to_string()]).start();
        assert!(!agent.log().contains("no disk tier"), "{}", agent.log());
        self.agent.insert(agent)
    }

    pub(crate) fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().expect("it runs")
    }

    pub(crate) fn socket(&mut self) -> PathBuf {
        self.agent().socket().to_owned()
    }

    /// Why it started without what lay on disk, as its log tells; none if it is warm.
    pub(crate) fn cold(&mut self) -> Option<String> {
        let log = self.agent().log();
        let is_degraded = log.lines().any(|line| line.contains("no disk tier"));
        assert!(!is_degraded, "nothing can be said of a disk that the agent does not use:\n{log}");
        let line = log.lines().find(|line| line.contains("cold start"))?;
        let reason = line.split_once("reason=").map_or("", |(_, rest)| rest);
        Some(reason.split(' ').next().unwrap_or_default().trim_matches('"').to_owned())
    }

    /// Ends it; panics when it had ended by itself, or does not end well.
    pub(crate) fn end(&mut self, end: End) {
        let mut agent = self.agent.take().expect("it runs");
        if let Some(status) = agent.exited() {
            panic!("the agent ended by itself ({status}):\n{}", agent.log());
        }
        match end {
            End::Kill => {
                agent.kill();
            }
            End::Terminate => {
                let status = agent.terminate();
                assert_eq!(status.code(), Some(0), "{}", agent.log());
            }
            End::KillWhileTerminating(after) => {
                agent.signal(Signal::TERM);
                std::thread::sleep(after);
                agent.kill();
            }
        }
        // Foyer's writer ends so when a write fails, on a thread of the store's.
        let log = agent.log();
        if log.lines().any(|line| line.contains("panicked") && !line.contains("'larder-disk'")) {
            panic!("the agent panicked:\n{log}");
        }
    }

    /// The files of its disk tier.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        gather(&self.directory.path().join("disk"), &mut files);
        files
    }

    /// Damages one of its files, as a failing device would; says what was done.
    pub(crate) fn damage(&mut self, random: &mut Random) -> Option<String> {
        assert!(self.agent.is_none(), "only what nobody uses is damaged");
        let files = self.files();
        let path = files.get(random.place(files.len().max(1)))?;
        let length = path.metadata().ok()?.len();
        let what = if length == 0 || random.one_in(6) {
            std::fs::remove_file(path).ok()?;
            "removed".to_owned()
        } else {
            // Heads and what comes first are aimed at: most of a file may be room that was never used.
            let room = if random.one_in(2) { length.min(64 << 10) } else { length };
            let place = random.below(room);
            let file = File::options().read(true).write(true).open(path).ok()?;
            if random.one_in(3) {
                file.write_all_at(&vec![0; (length - place).min(4096) as usize], place).ok()?;
            } else {
                let mut byte = [0];
                file.read_exact_at(&mut byte, place).ok()?;
                file.write_all_at(&[byte[0] ^ (1 << random.below(8))], place).ok()?;
            }
            format!("damaged at {place} of {length}")
        };
        Some(format!("{} {what}", path.display()))
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Kill,
    Terminate,
    KillWhileTerminating(std::time::Duration),
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
    files.sort();
}
