//! Two workers beside one: what sharing costs, in CPU per operation.

use crate::batch::{Op, VALUE_BYTES};
use crate::bench::{Bench, START_PATIENCE};
use crate::cpu::{KEYS, effort};
use crate::cpus;
use crate::keys::Keys;
use crate::load::{Load, fill};
use crate::pairs::{Side, compare};
use crate::procfs::CpuClock;
use crate::report::{Figure, progress};
use crate::server::{Launch, Server};

const NAME: &str = "cpu";
/// Connections of each load thread; enough that both workers have some whichever way they are shared out.
const CONNECTIONS: usize = 16;
/// Threads that make load: one for each worker that could be busy.
const THREADS: usize = 2;

/// Compares on uniform keys and on one hot key, at both depths of pipeline.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let (server_cpus, load_cpus) = bench.cpus.for_two_workers();
    let start = |workers| {
        let launch = Launch { workers, cpus: &server_cpus, under: &[], patience: START_PATIENCE };
        let server = Server::start(&bench.subject, bench.scratch, &launch)?;
        fill(server.socket(), &Op::Set, 0, KEYS, VALUE_BYTES)?;
        anyhow::Ok(server)
    };
    let (one, two) = (start(1)?, start(2)?);
    // The same two workers in two processes: they share nothing, so what they cost more than one is the machine's.
    let apart = [start(1)?, start(1)?];
    let (pairs, slice) = effort(bench);
    let mut figures = Vec::new();
    for depth in [1, 16] {
        for (name, op) in [("GET", Op::Get), ("SET", Op::Set)] {
            for (spread, hot) in [("uniform keys", false), ("one hot key", true)] {
                let title = format!("{name}, {depth} a pipeline, {spread}, two workers of one");
                if !bench.wanted(&title) {
                    continue;
                }
                progress(&format!("cpu: {title}"));
                let keys = |seed| if hot { Keys::Hot } else { Keys::Random { count: KEYS, seed } };
                let side = |servers: &[&Server]| side(servers, &op, depth);
                cpus::pin(&load_cpus)?;
                let compared = compare(&mut side(&[&two])?, &mut side(&[&one])?, keys, pairs, slice)?;
                let [left, right] = &apart;
                let floor = compare(&mut side(&[left, right])?, &mut side(&[&one])?, keys, pairs, slice)?;
                cpus::unpin()?;
                figures.push(
                    Figure::noisy(NAME, title, compared.ratio, "")
                        .at_most(1.05)
                        .beside("two workers", compared.first_ns, "ns/op")
                        .beside("one", compared.second_ns, "ns/op")
                        .beside("two processes, of one", floor.ratio.median, ""),
                );
            }
        }
    }
    Ok(figures)
}

fn side(servers: &[&Server], op: &Op, depth: usize) -> anyhow::Result<Side> {
    let sockets: Vec<_> = servers.iter().map(|server| server.socket()).collect();
    let loads =
        (0..THREADS).map(|_| Load::open(&sockets, CONNECTIONS, op, depth)).collect::<Result<_, _>>()?;
    let clocks = servers.iter().map(|server| CpuClock::open(server.pid())).collect::<Result<_, _>>()?;
    Ok(Side { loads, clocks })
}
