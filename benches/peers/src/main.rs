//! `peers`: starts Redis, Valkey and a C echo server beside Larder, measures and prints ratios.
//!
//! Exit codes: 0 measured, 1 something failed, 2 wrong usage, 3 a target was missed (only with `--gate`), 124 the
//! deadline passed, 128 + the signal's number interrupted. Whichever it is, no server is left running.

mod batch;
mod bench;
mod cgroup;
mod children;
mod cli;
mod cpu;
mod cpus;
mod disk;
mod idle;
mod instructions;
mod keys;
mod load;
mod memory;
mod pairs;
mod probe;
mod procfs;
mod program;
mod report;
mod server;
mod stats;
mod syscalls;
mod turns;
mod wire;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::Bench;
use crate::cli::{Cli, Measurement};
use crate::report::{Figure, Report, progress};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(missed) if missed > 0 && cli.options.gate => ExitCode::from(3),
        Ok(_) => ExitCode::SUCCESS,
        Err(_) if children::ending() => loop {
            // The guard killed the servers and is about to exit; the error is but its echo.
            std::thread::park();
        },
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; returns how many targets were missed.
fn run(cli: &Cli) -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files")?;
    let scratch = tempfile::Builder::new().prefix("peers-").tempdir().context("cannot create a directory")?;
    guard(scratch.path().to_owned(), Duration::from_secs(cli.options.deadline))?;

    let bench = Bench::new(&cli.options, scratch.path())?;
    let mut report = Report {
        quick: cli.options.quick,
        programs: bench.programs().map(program::Program::describe).collect(),
        machine: format!("{}; {}", kernel(), bench.cpus.describe()),
        figures: Vec::new(),
    };
    if bench.valkey.is_none() {
        progress("no valkey-server found: its columns are missing (--valkey PATH)");
    }
    type Measure = fn(&Bench<'_>) -> anyhow::Result<Vec<Figure>>;
    let all: [(Measurement, Measure); 8] = [
        (Measurement::Instructions, instructions::measure),
        (Measurement::Syscalls, syscalls::measure),
        (Measurement::Cpu, cpu::measure),
        (Measurement::Memory, memory::measure),
        (Measurement::Idle, idle::measure),
        (Measurement::Turns, turns::measure),
        (Measurement::Disk, disk::beside),
        (Measurement::Disk, disk::alone),
    ];
    let mut failure = None;
    for (measurement, measure) in all {
        if cli.measurement == measurement || cli.measurement == Measurement::All {
            match measure(&bench) {
                Ok(figures) => report.figures.extend(figures),
                Err(error) if children::ending() => return Err(error),
                // What was measured before is still worth printing.
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
    }
    if !report.figures.is_empty() {
        report.print(&mut std::io::stdout().lock()).context("cannot print the figures")?;
    }
    if let Some(path) = &cli.options.json {
        report.write_json(path)?;
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(report.missed()),
    }
}

/// Ends the program on a signal or at the deadline: kills all servers, removes the scratch directory, exits.
fn guard(scratch: PathBuf, deadline: Duration) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot watch signals")?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).context("cannot watch signals");
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?, watch(SignalKind::hangup())?)
    };
    let watch = move || {
        let code = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = hangup.recv() => 129,
                () = tokio::time::sleep(deadline) => 124,
            }
        });
        children::kill_all();
        cgroup::remove_all();
        // The servers are dying, so this is all that is left to clean up; there is nobody to tell if it fails.
        let _ = std::fs::remove_dir_all(scratch);
        progress(if code == 124 { "the deadline has passed: gave up" } else { "interrupted: gave up" });
        exit(code);
    };
    std::thread::Builder::new().name("guard".to_owned()).spawn(watch).context("cannot start a thread")?;
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "main.rs decides exit codes, and the measuring thread may be blocked"
)]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}

fn kernel() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy())
}
