//! How long one client waits while another keeps the server as busy as it can: a proxy for the longest turn.
//!
//! One thread drives both connections: it sends the busy one's batch, then the probe's question, and times the
//! answer. Two threads would share the load's core, and the scheduler's slices would look like turns. What the
//! scheduler itself admits to (either side was ready to run, something else had its core) is subtracted.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::batch::{Batch, Op, VALUE_BYTES};
use crate::bench::Bench;
use crate::keys::Keys;
use crate::load::{Conn, fill};
use crate::probe::{Probe, Waits};
use crate::program::Program;
use crate::report::{Figure, progress};
use crate::wire::Client;

const NAME: &str = "turns";
/// Bytes of a value, small so that ten million fit.
const SMALL: usize = 8;
/// Commands of the busy connection between two questions: its own share of a turn, some tens of microseconds.
const DEPTH: usize = 64;
/// The longest a turn may take.
const TURN_MS_MAX: f64 = 5.0;

/// What one program did in the three phases.
struct Phases {
    insert: Waits,
    expire: Waits,
    flush: Waits,
    gone_s: Option<f64>,
    lost: u64,
}

/// Runs the three phases on the subject and on Redis, and probes the echo server for what waits remain without any turn.
pub(crate) fn measure(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let noise = noise(bench)?;
    let larder = phases(bench, &bench.subject)?;
    let redis = phases(bench, &bench.redis)?;
    let millions = |count: u64| format!("{} million", count as f64 / 1e6);
    let expired = match larder.gone_s {
        Some(seconds) => format!("gone after {seconds:.1} s"),
        None => "not all gone after 15 s".to_owned(),
    };
    let spoilt =
        (larder.lost > 0).then(|| format!("{} entries were evicted: raise --memory-limit", larder.lost));
    let rows = [
        (format!("inserting {}", millions(inserted(bench))), &larder.insert, &redis.insert, spoilt),
        (format!("expiring {} at once", millions(expiring(bench))), &larder.expire, &redis.expire, None),
        ("FLUSHALL of them".to_owned(), &larder.flush, &redis.flush, None),
    ];
    let mut figures = Vec::new();
    for (index, (name, ours, theirs, spoilt)) in rows.into_iter().enumerate() {
        let mut wait = Figure::new(NAME, format!("{name}, worst wait"), ours.held_ms, "ms")
            .at_most(TURN_MS_MAX)
            .beside("redis", theirs.held_ms, "ms")
            .beside("echo", noise.held_ms, "ms")
            .beside("by the wall clock", ours.worst_ms, "ms")
            .beside("redis", theirs.worst_ms, "ms")
            .beside("echo", noise.worst_ms, "ms")
            .beside("p50", ours.median_ms, "ms")
            .beside("redis", theirs.median_ms, "ms")
            .beside("p99.9", ours.p999_ms, "ms")
            .beside("redis", theirs.p999_ms, "ms");
        if index == 1 {
            wait = wait.note(expired.clone());
        }
        if let Some(why) = spoilt {
            wait = wait.spoilt(why);
        }
        figures.push(wait);
    }
    Ok(figures)
}

fn inserted(bench: &Bench<'_>) -> u64 {
    bench.choose(10_000_000, 500_000)
}

fn expiring(bench: &Bench<'_>) -> u64 {
    bench.choose(1_000_000, 100_000)
}

/// The echo server under the same load: it has no long turns, so its worst wait is the machine's.
fn noise(bench: &Bench<'_>) -> anyhow::Result<Waits> {
    progress("turns: the machine's own noise");
    let server = bench.start(&Program::echo()?)?;
    bench.on_load_core(|| {
        let mut busy = Conn::open(server.socket())?;
        let batch = Batch::new(&Op::Get, DEPTH, VALUE_BYTES);
        let mut probe = Probe::open(&server, Batch::new(&Op::Get, 1, VALUE_BYTES), false)?;
        let until = Instant::now() + bench.choose(Duration::from_secs(5), Duration::from_secs(1));
        while Instant::now() < until {
            busy.send(&batch)?;
            probe.ask()?;
            busy.receive(&batch, false)?;
        }
        Ok(probe.finish())
    })
}

fn phases(bench: &Bench<'_>, program: &Program) -> anyhow::Result<Phases> {
    let server = bench.start(program)?;
    let mut control = Client::connect(server.socket(), Duration::from_secs(60))?;
    // What the probe asks for lives until the end and is not among the keys that expire.
    fill(server.socket(), &Op::Set, 0, 1, SMALL)?;
    let question = || {
        let mut batch = Batch::new(&Op::Get, 1, SMALL);
        batch.patch(&mut Keys::Hot);
        batch
    };
    bench.on_load_core(|| {
        let count = inserted(bench);
        progress(&format!("turns: inserting {count} keys into {}", program.label));
        let mut probe = Probe::open(&server, question(), true)?;
        let mut busy = Conn::open(server.socket())?;
        let mut batch = Batch::new(&Op::Set, DEPTH, SMALL);
        let mut keys = Keys::From(0);
        for _ in 0..count.div_ceil(DEPTH as u64) {
            batch.patch(&mut keys);
            busy.send(&batch)?;
            probe.ask()?;
            busy.receive(&batch, true)?;
        }
        let insert = probe.finish();
        let full = control.dbsize()?;
        let lost = (count.div_ceil(DEPTH as u64) * DEPTH as u64).saturating_sub(full);

        progress(&format!("turns: expiring {} keys in {}", expiring(bench), program.label));
        let lead = bench.choose(Duration::from_secs(10), Duration::from_secs(3));
        let due = Instant::now() + lead;
        let together = Op::SetWith("PXAT", (server_ms(&mut control)? + lead.as_millis() as u64).to_string());
        fill(server.socket(), &together, 1 << 40, expiring(bench), SMALL)?;
        anyhow::ensure!(Instant::now() < due, "{} took longer to fill than the keys live", program.label);
        std::thread::sleep(
            due.saturating_duration_since(Instant::now()).saturating_sub(Duration::from_millis(200)),
        );
        let mut probe = Probe::open(&server, question(), true)?;
        let mut gone_s = None;
        // Keys may be gone from the count before their memory is: the probing goes on for a while.
        let at_least = bench.choose(Duration::from_secs(4), Duration::from_secs(1));
        while due.elapsed() < at_least || (gone_s.is_none() && due.elapsed() < Duration::from_secs(15)) {
            // Asked seldom, so that counting is not what is measured.
            probe.ask_for(Duration::from_millis(50))?;
            if gone_s.is_none() && Instant::now() > due && control.dbsize()? <= full {
                gone_s = Some(due.elapsed().as_secs_f64());
            }
        }
        let expire = probe.finish();

        progress(&format!("turns: FLUSHALL on {}", program.label));
        // The probe's own key goes too, so it asks for what no flush changes.
        let mut probe = Probe::open(&server, Batch::ping(), true)?;
        control.send(&["FLUSHALL"])?;
        probe.ask_for(bench.choose(Duration::from_secs(5), Duration::from_secs(1)))?;
        let reply = control.receive()?;
        anyhow::ensure!(reply == "+OK", "FLUSHALL was answered {reply}");
        Ok(Phases { insert, expire, flush: probe.finish(), gone_s, lost })
    })
}

/// The server's wall clock in milliseconds: it, not ours, is what PXAT is compared with.
fn server_ms(control: &mut Client) -> anyhow::Result<u64> {
    let time = control.ask(&["TIME"])?;
    let (seconds, micros) = time.split_once(' ').with_context(|| format!("TIME was answered {time}"))?;
    let parse = |text: &str| text.parse::<u64>().with_context(|| format!("TIME was answered {time}"));
    Ok(parse(seconds)? * 1000 + parse(micros)? / 1000)
}
