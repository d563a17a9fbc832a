//! System calls per operation without pipelining, counted by strace.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::batch::{Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::children::Reaped;
use crate::keys::Keys;
use crate::load::{Load, fill};
use crate::procfs;
use crate::program::{Program, installed};
use crate::report::{Figure, progress};
use crate::server::Server;

const NAME: &str = "syscalls";
const KEYS: u64 = 10_000;

/// Calls by name, as strace counted them.
type Counts = Vec<(String, f64)>;

/// Counts GET and SET on all programs, with each of the chosen numbers of connections.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    if !installed("strace") {
        bail!("strace is not in PATH: install it, system calls are counted by it");
    }
    let mut figures = Vec::new();
    for &connections in &bench.options.connections {
        for (name, op) in [("GET", Op::Get), ("SET", Op::Set)] {
            let title = format!("{name}, {connections} conn, beside epoll_wait");
            if !bench.wanted(&title) {
                continue;
            }
            progress(&format!("syscalls: {name}, {connections} connections"));
            let mut programs = bench.programs();
            let subject = programs.next().context("there is always a subject")?;
            let counts = per_op(bench, subject, &op, connections.into())?;
            // Two decimals are what a few wake-ups of a timer leave certain.
            let (waits, others) = split(&counts);
            let mut figure =
                Figure::new(NAME, title, (others * 100.0).round() / 100.0, "calls/op").at_most(2.0);
            figure = figure.beside("its epoll_wait", waits, "");
            for program in programs {
                let (waits, others) = split(&per_op(bench, program, &op, connections.into())?);
                figure = figure.beside(program.label.clone(), others, "").beside("its epoll_wait", waits, "");
            }
            let mut names: Counts = counts.into_iter().filter(|(_, count)| *count >= 0.005).collect();
            names.sort_by(|a, b| b.1.total_cmp(&a.1));
            let names: Vec<String> = names.iter().map(|(call, count)| format!("{call} {count:.2}")).collect();
            figures.push(figure.note(format!("{}: {}", subject.label, names.join(", "))));
        }
    }
    Ok(figures)
}

/// Waiting for events, and everything else.
fn split(counts: &Counts) -> (f64, f64) {
    let sum = |wait: bool| -> f64 {
        let chosen =
            counts.iter().filter(|(call, _)| call.starts_with("epoll_") && call.contains("wait") == wait);
        let others = counts.iter().filter(|(call, _)| !call.starts_with("epoll_") && !wait);
        chosen.chain(others).map(|(_, count)| count).sum()
    };
    (sum(true), sum(false))
}

/// The slope over two run lengths: the calls around attaching and detaching cancel out.
fn per_op(bench: &Bench<'_>, program: &Program, op: &Op, connections: usize) -> anyhow::Result<Counts> {
    let (short, long) = bench.choose((2_000, 20_000), (400, 2_000));
    let server = bench.start(program)?;
    fill(server.socket(), &Op::Set, 0, KEYS, VALUE_BYTES)?;
    let mut load = Load::open(&[server.socket()], connections, op, 1)?;
    load.run(10, Keys::Random { count: KEYS, seed: 1 })?;
    let file = bench.scratch.join("strace");
    let mut trace = |ops: u64| -> anyhow::Result<(Counts, u64)> {
        let tracer = Tracer::attach(&server, &file)?;
        let rounds = ops / load.round_ops();
        let ops = bench.on_load_core(|| load.run(rounds, Keys::Random { count: KEYS, seed: 1 }))?;
        Ok((tracer.finish()?, ops))
    };
    let (few, few_ops) = trace(short)?;
    let (many, many_ops) = trace(long)?;
    let before = |name: &str| few.iter().find(|(call, _)| call == name).map_or(0.0, |(_, count)| *count);
    Ok(many
        .iter()
        .map(|(call, count)| (call.clone(), (count - before(call)) / (many_ops - few_ops) as f64))
        .collect())
}

/// strace, attached to all threads of a server.
struct Tracer<'a> {
    process: Reaped,
    file: &'a Path,
}

impl<'a> Tracer<'a> {
    fn attach(server: &Server, file: &'a Path) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-p", &server.pid().as_raw_nonzero().to_string(), "-o"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Reaped::spawn(&mut command)?;
        let asked = Instant::now();
        while !procfs::traced(server.pid())? {
            if process.ended() || asked.elapsed() > Duration::from_secs(10) {
                bail!(
                    "strace could not attach: ptrace must be allowed (root, or kernel.yama.ptrace_scope=0)"
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Tracer { process, file })
    }

    fn finish(mut self) -> anyhow::Result<Counts> {
        self.process.stop(Signal::INT, Duration::from_secs(10))?;
        let text = std::fs::read_to_string(self.file).context("strace wrote no counts")?;
        Ok(parse(&text))
    }
}

/// Rows of `% time, seconds, usecs/call, calls, [errors,] syscall`.
fn parse(text: &str) -> Counts {
    let row = |line: &str| -> Option<(String, f64)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.last()?;
        if *name == "total" {
            return None;
        }
        words.first()?.parse::<f64>().ok()?;
        Some(((*name).to_owned(), words.get(3)?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_strace_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.00    0.000061           6        10         2 read
 39.00    0.000039           3        11           epoll_pwait
  0.00    0.000000           0         1           epoll_ctl
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100           4        22         2 total
";
        let counts = parse(text);
        let row = |name: &str, count| (name.to_owned(), count);
        assert_eq!(counts, [row("read", 10.0), row("epoll_pwait", 11.0), row("epoll_ctl", 1.0)]);
        assert_eq!(split(&counts), (11.0, 11.0));
    }
}
