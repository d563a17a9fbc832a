//! What entries on disk cost in memory, and how soon they are served after a stop, a kill, and a stop with much to write.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::client::{Client, Dialect};
use super::scan::scan;
use super::side::{directory, has_disk, page_cache};
use super::zipf::Sizes;
use super::{MIB, NAME};
use crate::bench::{Bench, START_PATIENCE};
use crate::procfs::{self, Meter};
use crate::report::{Figure, progress};
use crate::server::{Launch, Server};
use crate::wire;

/// Values of so many bytes, how many of them, and what an entry may cost.
const CLASSES: [(&str, usize, u64); 3] =
    [("16 + 64 B", 64, 1_000_000), ("16 + 1024 B", 1024, 200_000), ("16 + 12 KiB", 12 << 10, 20_000)];
const SETTLE: Duration = Duration::from_secs(3);
/// How long entries are looked for after a start, at most.
const START_S_MAX: f64 = 1.0;
const SCAN_S_MAX: f64 = 5.0;
const IDLE_MIB_MAX: f64 = 24.0;
const STOP_S_MAX: f64 = 20.0;

/// Takes all figures that concern one server alone.
pub(super) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if bench.wanted("idle RSS") {
        figures.push(idle(bench)?);
    }
    for (name, value, count) in CLASSES {
        if bench.wanted(name) {
            figures.extend(kept(bench, name, Sizes { least: value, most: value }, count)?);
        }
    }
    if bench.wanted("clean stop") {
        figures.extend(stop(bench)?);
    }
    Ok(figures)
}

/// A server over a directory that may keep.
fn start(bench: &Bench<'_>, memory: u64, directory: &Path, disk: u64) -> anyhow::Result<Server> {
    let program = bench.subject.with_disk(memory, directory, disk)?;
    let cpus = bench.cpus.server();
    let launch = Launch { workers: 1, cpus: &cpus, under: &[], patience: START_PATIENCE };
    let server = Server::start(&program, bench.scratch, &launch)?;
    has_disk(&server)?;
    Ok(server)
}

fn idle(bench: &Bench<'_>) -> anyhow::Result<Figure> {
    let directory = directory(bench, "idle")?;
    let server = start(bench, 1024 * MIB, &directory, 1024 * MIB)?;
    std::thread::sleep(Duration::from_secs(2));
    let rss = procfs::rss_bytes(server.pid())? as f64 / MIB as f64;
    server.stop()?;
    remove(&directory)?;
    Ok(Figure::new(NAME, "idle RSS with an empty disk tier", rss, "MiB").at_most(IDLE_MIB_MAX))
}

/// Fills, stops and starts; what is there then lies on disk.
fn kept(bench: &Bench<'_>, name: &str, sizes: Sizes, count: u64) -> anyhow::Result<Vec<Figure>> {
    progress(&format!("disk: {count} entries of {name}, stopped and started"));
    let directory = directory(bench, "kept")?;
    let disk = 2 * count * (sizes.most as u64 + 160) + 64 * MIB;
    let memory = 768 * MIB;
    let server = start(bench, memory, &directory, disk)?;
    let empty = procfs::settled_rss_bytes(server.pid(), SETTLE)?;
    bench.on_load_core(|| fill(&server, sizes, count))?;
    let log = server.end(Signal::TERM)?;
    let mut figures = Vec::new();
    let is_million = count >= 1_000_000;
    let (server, starts) = starts(bench, &directory, (memory, disk), sizes, Signal::TERM)?;
    if is_million {
        figures.push(start_figure("SIGTERM", &starts));
    }
    let rss = procfs::settled_rss_bytes(server.pid(), SETTLE)?;
    let found = wire::Client::connect(server.socket(), START_PATIENCE)?.dbsize()?;
    let per_entry = (rss as f64 - empty as f64) / found as f64;
    let mut figure = Figure::new(NAME, format!("{name}, RSS an entry on disk"), per_entry, "B")
        .beside("entries", found as f64, "")
        .beside("RSS", rss as f64 / MIB as f64, "MiB")
        .beside("empty", empty as f64 / MIB as f64, "MiB");
    if found < count {
        figure = figure.note(format!("{} entries were lost{}", count - found, said(&log)));
    }
    figures.push(figure);
    if is_million {
        progress("disk: SCAN of all entries");
        let mut meter = Meter::begin(server.pid())?;
        let scanned = bench.on_load_core(|| scan(server.socket(), count))?;
        let cpu_s = meter.lap()?.cpu_ns as f64 / 1e9;
        let mut figure = Figure::new(NAME, "SCAN of a million on disk", scanned.took.as_secs_f64(), "s")
            .at_most(SCAN_S_MAX)
            .beside("CPU", cpu_s, "s")
            .beside("longest step", scanned.longest.as_secs_f64() * 1e3, "ms")
            .beside("shown again", scanned.again as f64, "");
        if scanned.missed > count - found {
            figure =
                figure.spoilt(format!("{} keys that are there did not come", scanned.missed + found - count));
        }
        figures.push(figure);
        drop(server.end(Signal::KILL)?);
        let (server, starts) = self::starts(bench, &directory, (memory, disk), sizes, Signal::KILL)?;
        figures.push(start_figure("SIGKILL", &starts));
        server.stop()?;
    } else {
        server.stop()?;
    }
    remove(&directory)?;
    Ok(figures)
}

/// What a start took, until the first value came.
struct Start {
    wall_s: f64,
    cpu_s: f64,
}

fn start_figure(signal: &str, starts: &[Start]) -> Figure {
    let mut walls: Vec<f64> = starts.iter().map(|start| start.wall_s).collect();
    let mut cpus: Vec<f64> = starts.iter().map(|start| start.cpu_s).collect();
    let walls = crate::stats::median_interval(&mut walls);
    Figure::noisy(NAME, format!("exec to the first value of a million on disk, after {signal}"), walls, "s")
        .at_most(START_S_MAX)
        .beside("CPU", crate::stats::median_interval(&mut cpus).median, "s")
}

/// Starts some times over what lies there, in the page cache, ending each but the last by `signal`.
fn starts(
    bench: &Bench<'_>,
    directory: &Path,
    (memory, disk): (u64, u64),
    sizes: Sizes,
    signal: Signal,
) -> anyhow::Result<(Server, Vec<Start>)> {
    let program = bench.subject.with_disk(memory, directory, disk)?;
    let has_value = |socket: &Path| {
        Client::connect(socket, Dialect::Resp, sizes)
            .and_then(|mut client| client.get(0))
            .is_ok_and(|is_there| is_there)
    };
    let mut starts = Vec::new();
    loop {
        page_cache(directory, true)?;
        let (server, took) = Server::start_until(&program, bench.scratch, &bench.cpus.server(), has_value)?;
        let cpu_s = Meter::since_start(server.pid())?.cpu_ns as f64 / 1e9;
        starts.push(Start { wall_s: took.as_secs_f64(), cpu_s });
        if starts.len() >= bench.choose(7, 3) {
            return Ok((server, starts));
        }
        server.end(signal)?;
    }
}

/// A gibibyte of memory that has to be written before the end.
fn stop(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let sizes = Sizes { least: 1008, most: 1008 };
    let count = 1024 * MIB / 1024;
    progress(&format!("disk: a clean stop with {count} entries of 1 KiB in memory"));
    let directory = directory(bench, "stop")?;
    let server = start(bench, 1400 * MIB, &directory, 2048 * MIB)?;
    bench.on_load_core(|| fill(&server, sizes, count))?;
    let cpu_s = Meter::since_start(server.pid())?.cpu_ns as f64 / 1e9;
    let asked = Instant::now();
    let log = server.end(Signal::TERM)?;
    let took = asked.elapsed().as_secs_f64();
    let server = start(bench, 1400 * MIB, &directory, 2048 * MIB)?;
    let found = wire::Client::connect(server.socket(), START_PATIENCE)?.dbsize()?;
    server.end(Signal::KILL)?;
    remove(&directory)?;
    let mut figure = Figure::new(NAME, "clean stop of 1 GiB in memory", took, "s")
        .at_most(STOP_S_MAX)
        .beside("CPU of the fill", cpu_s, "s")
        .beside("kept", 100.0 * found as f64 / count as f64, "%");
    if found < count {
        figure = figure.spoilt(format!("{} entries were lost{}", count - found, said(&log)));
    }
    Ok(vec![figure])
}

fn fill(server: &Server, sizes: Sizes, count: u64) -> anyhow::Result<()> {
    let mut client = Client::connect(server.socket(), Dialect::Resp, sizes)?;
    let keys: Vec<u64> = (0..count).collect();
    let stored = client.set_all(&keys).with_context(|| server.log().unwrap_or_default())?;
    ensure!(stored == count, "{} of {count} values were not taken", count - stored);
    Ok(())
}

/// What the server said of sealing, where there is something to explain.
fn said(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains("seal") || line.contains("written to disk"));
    line.map_or_else(String::new, |line| format!("; it said: {line}"))
}

fn remove(directory: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(directory).context("cannot remove a directory of ours")
}
