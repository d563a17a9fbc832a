//! What a server costs that nobody talks to, and how soon it can be talked to.

use std::time::{Duration, Instant};

use crate::batch::{Batch, Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::keys::Keys;
use crate::load::{Conn, fill};
use crate::procfs;
use crate::program::Program;
use crate::report::{Figure, progress};
use crate::server::Server;

const NAME: &str = "idle";
const MIB: f64 = 1024.0 * 1024.0;

/// What one program costs idle.
struct Idle {
    rss_mib: f64,
    rss_later_mib: f64,
    wakeups_per_s: f64,
    connection_bytes: f64,
    start_median_ms: f64,
    start_worst_ms: f64,
}

/// Watches the subject and Redis.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let larder = watch(bench, &bench.subject)?;
    let redis = watch(bench, &bench.redis)?;
    type Field = fn(&Idle) -> f64;
    let rows: [(&str, &'static str, f64, Field); 6] = [
        ("RSS after the first answer", "MiB", 10.0, |idle| idle.rss_mib),
        ("RSS after idling", "MiB", 10.0, |idle| idle.rss_later_mib),
        ("voluntary context switches", "/s", 2.0, |idle| idle.wakeups_per_s),
        ("RSS of an idle connection", "B", 4096.0, |idle| idle.connection_bytes),
        ("exec to first answer, median", "ms", 20.0, |idle| idle.start_median_ms),
        ("exec to first answer, worst of 21", "ms", 20.0, |idle| idle.start_worst_ms),
    ];
    Ok(rows
        .into_iter()
        .map(|(name, unit, target, field)| {
            Figure::new(NAME, name, field(&larder), unit).at_most(target).beside("redis", field(&redis), unit)
        })
        .collect())
}

fn watch(bench: &Bench<'_>, program: &Program) -> anyhow::Result<Idle> {
    progress(&format!("idle: starting {} 21 times", program.label));
    let mut starts_ms = Vec::new();
    for _ in 0..21 {
        let took = Server::time_to_first_answer(program, bench.scratch, &bench.cpus.server())?;
        starts_ms.push(took.as_secs_f64() * 1e3);
    }
    starts_ms.sort_by(f64::total_cmp);

    progress(&format!("idle: watching {}", program.label));
    let server = bench.start(program)?;
    let rss_mib = procfs::rss_bytes(server.pid())? as f64 / MIB;
    // Let what starting up began come to rest first.
    std::thread::sleep(Duration::from_secs(1));
    let watched = bench.choose(Duration::from_secs(10), Duration::from_secs(3));
    let (before, began) = (procfs::voluntary_switches(server.pid())?, Instant::now());
    std::thread::sleep(watched);
    let wakeups = procfs::voluntary_switches(server.pid())? - before;
    let wakeups_per_s = wakeups as f64 / began.elapsed().as_secs_f64();
    let rss_later_mib = procfs::rss_bytes(server.pid())? as f64 / MIB;

    progress(&format!("idle: opening connections to {}", program.label));
    Ok(Idle {
        rss_mib,
        rss_later_mib,
        wakeups_per_s,
        connection_bytes: connection_bytes(&server)?,
        start_median_ms: starts_ms[starts_ms.len() / 2],
        start_worst_ms: starts_ms[starts_ms.len() - 1],
    })
}

/// The slope of RSS from 1,000 to 5,000 connections, each of which has asked something once and then gone quiet.
fn connection_bytes(server: &Server) -> anyhow::Result<f64> {
    const FEW: usize = 1_000;
    const MANY: usize = 5_000;
    fill(server.socket(), &Op::Set, 0, 1, VALUE_BYTES)?;
    let mut batch = Batch::new(&Op::Get, 1, VALUE_BYTES);
    batch.patch(&mut Keys::Hot);
    let mut connections = Vec::new();
    let mut grow_to = |count: usize| -> anyhow::Result<f64> {
        while connections.len() < count {
            let mut connection = Conn::open(server.socket())?;
            connection.send(&batch)?;
            connection.receive(&batch, true)?;
            connections.push(connection);
        }
        Ok(procfs::settled_rss_bytes(server.pid(), Duration::from_secs(5))? as f64)
    };
    let few = grow_to(FEW)?;
    let many = grow_to(MANY)?;
    Ok((many - few) / (MANY - FEW) as f64)
}
