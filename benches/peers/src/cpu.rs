//! CPU time per operation beside Redis and beside the echo server, one worker on one core.

use std::time::Duration;

use crate::batch::{Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::keys::Keys;
use crate::load::{Load, fill};
use crate::pairs::{Side, compare};
use crate::procfs::CpuClock;
use crate::program::Program;
use crate::report::{Figure, progress};
use crate::server::Server;
use crate::workers;

const NAME: &str = "cpu";
/// Keys that exist; more than the second-level cache holds.
pub(crate) const KEYS: u64 = 100_000;

/// Whom a row compares the subject with.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    Redis,
    Echo,
}

/// Every comparison: with one worker, then two workers with one.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = beside_peers(bench)?;
    figures.extend(workers::measure(bench)?);
    Ok(figures)
}

/// How many pairs, and how long each slice of them is.
pub(crate) fn effort(bench: &Bench<'_>) -> (u16, Duration) {
    let pairs = bench.options.pairs.unwrap_or(bench.choose(15, 7));
    (pairs, bench.choose(Duration::from_millis(300), Duration::from_millis(60)))
}

fn beside_peers(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let subject = bench.start(&bench.subject)?;
    let redis = bench.start(&bench.redis)?;
    let echo = bench.start(&Program::echo()?)?;
    for server in [&subject, &redis] {
        fill(server.socket(), &Op::Set, 0, KEYS, VALUE_BYTES)?;
    }
    // Name, command, depth of the pipeline, peer, target, aim.
    let rows = [
        ("GET", Op::Get, 16, Peer::Redis, 1.0, Some(1.0 / 1.3)),
        ("SET", Op::Set, 16, Peer::Redis, 1.0, Some(1.0 / 1.3)),
        ("GET", Op::Get, 1, Peer::Echo, 1.1, None),
        ("GET", Op::Get, 1, Peer::Redis, 1.0, None),
        ("SET", Op::Set, 1, Peer::Redis, 1.0, None),
    ];
    let (pairs, slice) = effort(bench);
    let mut figures = Vec::new();
    for &connections in &bench.options.connections {
        for (name, op, depth, peer, target, aim) in &rows {
            let (server, label) = match peer {
                Peer::Redis => (&redis, "redis"),
                Peer::Echo => (&echo, "echo"),
            };
            let title = format!("{name}, {depth} a pipeline, {connections} conn, of {label}'s");
            if !bench.wanted(&title) {
                continue;
            }
            progress(&format!("cpu: {title}"));
            let compared = bench.on_load_core(|| {
                let mut first = side(&subject, op, *depth, connections, true)?;
                let mut second = side(server, op, *depth, connections, *peer != Peer::Echo)?;
                compare(&mut first, &mut second, |seed| Keys::Random { count: KEYS, seed }, pairs, slice)
            })?;
            let mut figure = Figure::noisy(NAME, title, compared.ratio, "")
                .at_most(*target)
                .beside(bench.subject.label.clone(), compared.first_ns, "ns/op")
                .beside(label, compared.second_ns, "ns/op");
            if let Some(aim) = aim {
                figure = figure.aim(*aim);
            }
            figures.push(figure);
        }
    }
    Ok(figures)
}

fn side(server: &Server, op: &Op, depth: usize, connections: u16, verify: bool) -> anyhow::Result<Side> {
    let load = Load::open(&[server.socket()], connections.into(), op, depth)?;
    let load = if verify { load } else { load.unverified() };
    Ok(Side { loads: vec![load], clocks: vec![CpuClock::open(server.pid())?] })
}
