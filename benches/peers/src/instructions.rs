//! User-space instructions per operation, counted by callgrind: figures that repeat exactly on any machine.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::batch::{Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::keys::Keys;
use crate::load::{Load, fill};
use crate::program::{Program, installed};
use crate::report::{Figure, progress};
use crate::server::{Launch, Server};
use crate::wire;

const NAME: &str = "instructions";
/// Commands in one pipeline.
const DEPTH: usize = 16;
/// Keys that exist before anything is counted; every GET hits and every SET overwrites.
const KEYS: u64 = 10_000;

/// Tags and prefixes that are purged before hits are counted that they do not concern: three tags to two prefixes, of which only
/// some 4,000 are remembered,
const PURGES: u64 = 10_000;
/// in commands of so many,
const PURGES_A_COMMAND: u64 = 500;
/// and how long the sweep over all entries may take under callgrind before they are.
const SWEEP: Duration = Duration::from_secs(5);
/// What such a hit may cost beyond one before which nothing was purged.
const PURGED_MAX: f64 = 30.0;

/// Counts GET and SET on all programs, and on Larder GET after many purges.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    if !installed("valgrind") {
        bail!("valgrind is not in PATH: install it, instructions are counted by its tool callgrind");
    }
    let mut figures = Vec::new();
    for (name, op) in [("GET", Op::Get), ("SET", Op::Set)] {
        let title = format!("{name}, {DEPTH} a pipeline, of Redis's");
        if !bench.wanted(&title) {
            continue;
        }
        let mut counts = Vec::new();
        for program in bench.programs() {
            progress(&format!("instructions: {name} on {} under callgrind", program.label));
            counts.push((program.label.clone(), per_op(bench, program, &op, 0)?));
        }
        let ratio = counts[0].1 / counts[1].1;
        let figure = Figure::new(NAME, title, ratio, "").at_most(0.5);
        figures.push(counts.into_iter().fold(figure, |f, (label, count)| f.beside(label, count, "instr")));
    }
    let title = format!("GET, {DEPTH} a pipeline, after {PURGES} purges: more than before");
    if bench.wanted(&title) && bench.subject.is_larder() {
        progress(&format!("instructions: GET after {PURGES} purges under callgrind"));
        let [before, after] = [0, PURGES].map(|purges| per_op(bench, &bench.subject, &Op::Get, purges));
        let (before, after) = (before?, after?);
        figures.push(
            Figure::new(NAME, title, after - before, "instr")
                .at_most(PURGED_MAX)
                .beside("before", before, "instr")
                .beside("after", after, "instr"),
        );
    }
    Ok(figures)
}

/// The slope over two run lengths: what starting, filling and stopping cost is in both and cancels out.
fn per_op(bench: &Bench<'_>, program: &Program, op: &Op, purges: u64) -> anyhow::Result<f64> {
    let (short, long) = bench.choose((2_000, 10_000), (500, 1_500));
    let (few, few_ops) = count(bench, program, op, short, purges)?;
    let (many, many_ops) = count(bench, program, op, long, purges)?;
    Ok((many as f64 - few as f64) / (many_ops - few_ops) as f64)
}

fn count(
    bench: &Bench<'_>,
    program: &Program,
    op: &Op,
    rounds: u64,
    purges: u64,
) -> anyhow::Result<(u64, u64)> {
    let file = bench.scratch.join("callgrind.out");
    let under = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        "--separate-threads=no".to_owned(),
        format!("--callgrind-out-file={}", file.display()),
    ];
    let launch =
        Launch { workers: 1, cpus: &bench.cpus.server(), under: &under, patience: Duration::from_secs(120) };
    let server = Server::start(program, bench.scratch, &launch)?;
    fill(server.socket(), &Op::Set, 0, KEYS, VALUE_BYTES)?;
    if purges > 0 {
        purge(server.socket(), purges)?;
        std::thread::sleep(SWEEP);
    }
    let mut load = Load::open(&[server.socket()], 1, op, DEPTH)?;
    let ops = load.run(rounds, Keys::Random { count: KEYS, seed: 1 })?;
    drop(load);
    server
        .stop()
        .with_context(|| format!("{} must end on SIGTERM for its counts to be written", program.label))?;
    let instructions = total(&file)?;
    std::fs::remove_file(&file).context("cannot remove callgrind's file")?;
    Ok((instructions, ops))
}

/// Purges tags and prefixes that no key has.
fn purge(socket: &Path, purges: u64) -> anyhow::Result<()> {
    let mut client = wire::Client::connect(socket, Duration::from_secs(60))?;
    for first in (0..purges).step_by(PURGES_A_COMMAND as usize) {
        let is_tag = first / PURGES_A_COMMAND % 5 < 3;
        // Prefixes of several lengths: each length is a look of its own.
        let names =
            (first..first + PURGES_A_COMMAND).map(|n| format!("{:-<1$}{n}", "of-nobody", 9 + n as usize % 8));
        let names: Vec<String> = names.collect();
        let mut command = vec!["LARDER.PURGE", if is_tag { "TAG" } else { "PREFIX" }];
        command.extend(names.iter().map(String::as_str));
        client.ask(&command)?;
    }
    Ok(())
}

/// The sum callgrind writes at the head of its file.
fn total(file: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file).context("callgrind wrote no counts")?;
    let line = text.lines().find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")));
    let count =
        line.and_then(|rest| rest.split_whitespace().next()).context("callgrind's file has no sum")?;
    count.parse().with_context(|| format!("callgrind's sum {count} is no number"))
}
