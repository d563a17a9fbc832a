//! Runs of a program that are expected to end: refused starts, `ping`, `--check-config`.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::agent::agent_binary;
use crate::process::Process;

/// Longer than any such run.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error output.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

/// The agent's binary, to be given arguments, without the test's own `LARDER_*` variables. `through` is what starts
/// it, such as `setpriv` with its arguments; empty to start it directly.
pub fn agent_command(through: &[&str]) -> Command {
    let binary = agent_binary();
    let mut command = match through {
        [] => Command::new(&binary),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&binary);
            command
        }
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LARDER_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a program to its end; panics when it takes over a minute.
pub fn run_to_end(command: &mut Command) -> Ended {
    let directory = TempDir::with_prefix("larder-once-").expect("a temporary directory can be made");
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| directory.path().join(name));
    let open = |path| File::create(path).expect("a file can be made");
    command.stdin(Stdio::null()).stdout(open(&stdout)).stderr(open(&stderr));
    let started = Instant::now();
    let status = Process::spawn(command).wait(LIMIT);
    let took = started.elapsed();
    let read =
        |path| String::from_utf8_lossy(&std::fs::read(path).expect("the file can be read")).into_owned();
    let (stdout, stderr) = (read(&stdout), read(&stderr));
    let status = status.unwrap_or_else(|| panic!("{command:?} does not end:\n{stdout}{stderr}"));
    Ended { code: status.code(), stdout, stderr, took }
}

/// Runs the agent's binary with these arguments to its end.
pub fn run_agent(arguments: &[&str]) -> Ended {
    run_to_end(agent_command(&[]).args(arguments))
}
