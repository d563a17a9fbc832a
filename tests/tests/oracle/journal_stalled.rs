//! The journal's device does not answer for a while. Every answer waits for it then, hits included, since it may rest on what is not
//! written yet: no longer than the device, and nothing is said that a kill would make untrue. Afterwards everything is as before.
//! Where the segments' device does not answer, memory does not grow.

use std::time::{Duration, Instant};

use larder_tests::faults::{Fault, Op};
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value};

use super::stalled::filled;
use super::subject::End;

const JOURNAL: &str = "journal";
/// Entries that are read again and again, as [`filled`] stores them.
const HOT: usize = 200;
/// Entries on disk, as it stores them.
const COLD: usize = 8_000;
/// What an answer may take beyond the stall.
const BEYOND: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(30);
/// Of twelve megabytes of memory and what the process holds beside it.
const GROWTH_MAX: u64 = 6 << 20;

/// How long answers took.
struct Took(Vec<Duration>);

impl Took {
    fn at(&self, share: f64) -> Duration {
        let place = (self.0.len() as f64 * share) as usize;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Reads what lies in memory until then.
fn read_hot(client: &mut Client, until: Instant) -> Took {
    client.set_read_limit(Some(LIMIT)).expect("a limit");
    let mut took = Vec::new();
    for asked in (0..).take_while(|_| Instant::now() < until) {
        let name = format!("hot:{}", asked % HOT);
        let begun = Instant::now();
        let reply = client.command(&["GET", &name]).expect("a reply");
        assert_eq!(reply.text().as_deref(), Some(name.as_str()), "it lies in memory");
        took.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    took.sort_unstable();
    Took(took)
}

/// Writes and the like of the journal.
const OPS: [Op; 3] = [Op::Write, Op::Sync, Op::Allocate];

fn count(client: &mut Client, name: &str) -> i64 {
    client.call("LARDER.INFO").get(name).and_then(Value::int).unwrap_or_default()
}

#[test]
fn answers_wait_for_the_journal_and_no_longer() {
    let stalls: &[u64] = if long() { &[100, 1_000, 3_000, 10_000] } else { &[100, 2_000] };
    for workers in [1, 2] {
        for stall in stalls.iter().map(|ms| Duration::from_millis(*ms)) {
            let Some((disk, mut subject)) = filled(workers) else { return };
            let socket = subject.socket();
            let fault = disk.inject(Fault::stall_for(&OPS, stall).on(JOURNAL).times(1));
            let (hits, deleted) = std::thread::scope(|threads| {
                let until = Instant::now() + stall + Duration::from_millis(300);
                let reader = threads.spawn({
                    let mut client = Client::connect(&socket).expect("a connection");
                    move || read_hot(&mut client, until)
                });
                let mut writer = Client::connect(&socket).expect("a connection");
                writer.set_read_limit(Some(LIMIT)).expect("a limit");
                std::thread::sleep(Duration::from_millis(50));
                let begun = Instant::now();
                // It is on disk, so that the journal has to say so.
                for number in 0..20 {
                    writer.call(&format!("DEL cold:{number}"));
                }
                (reader.join().expect("hits are answered"), begun.elapsed())
            });
            println!(
                "{workers} workers, a stall of {stall:?} ({} fired): {} hits, p50 {:?}, p99 {:?}, longest {:?}; deletions took {deleted:?}",
                fault.fired(),
                hits.0.len(),
                hits.at(0.5),
                hits.at(0.99),
                hits.at(1.0)
            );
            assert_eq!(fault.fired(), 1);
            assert!(deleted >= stall && deleted <= stall + BEYOND, "{deleted:?}");
            assert!(hits.at(1.0) <= stall + BEYOND, "{:?}", hits.at(1.0));
            let mut client = subject.agent().client();
            assert_eq!(count(&mut client, "journal_failures"), 0, "slow is not wrong");
            subject.end(End::Terminate);
        }
    }
}

fn long() -> bool {
    std::env::var_os("LARDER_TESTS_ALL").is_some_and(|value| value == "1")
}

#[test]
fn a_kill_while_the_journal_stalls_makes_nothing_untrue() {
    for workers in [1, 2] {
        let Some((disk, mut subject)) = filled(workers) else { return };
        let mut client = subject.agent().client();
        let acknowledged = 0..100;
        for number in acknowledged.clone() {
            client.call(&format!("DEL cold:{number}"));
        }
        let fault = disk.inject(Fault::stall(&OPS).on(JOURNAL));
        let waits = |client: &mut Client, command: String| {
            client.set_read_limit(Some(Duration::from_millis(300))).expect("a limit");
            client.send_raw(format!("{command}\r\n").as_bytes()).expect("the agent runs");
            client.read().is_err()
        };
        assert!(waits(&mut client, "DEL cold:200".to_owned()), "acknowledged and not written");
        // Nor is anybody else told of it.
        let mut other = subject.agent().client();
        assert!(waits(&mut other, "GET cold:200".to_owned()), "told of what is not written");
        assert!(fault.stalled() > 0);
        subject.end(End::Kill);
        fault.clear();
        let mut client = subject.start(workers).client();
        assert_eq!(subject.cold(), None);
        for number in acknowledged {
            assert!(client.call(&format!("GET cold:{number}")).is_null(), "cold:{number} was deleted");
        }
        let found =
            (300..COLD).step_by(10).filter(|n| !client.call(&format!("GET cold:{n}")).is_null()).count();
        println!("{workers} workers: {found} of {} found after the kill", (COLD - 300) / 10);
        assert!(found > 0, "it is warm");
        subject.end(End::Kill);
    }
}

#[test]
fn memory_does_not_grow_while_segments_stall() {
    let Some((disk, mut subject)) = filled(2) else { return };
    let mut client = subject.agent().client();
    let refused = |client: &mut Client| {
        ["busy", "down"].map(|why| count(client, &format!("disk_refused_{why}"))).iter().sum::<i64>()
    };
    let (before, refused_before) = (subject.agent().rss_bytes(), refused(&mut client));
    let fault = disk.inject(Fault::stall(&[Op::Read, Op::Write, Op::Sync]).on("foyer"));
    let lasts = Duration::from_secs(if long() { 20 } else { 4 });
    let (begun, mut most, mut queue, mut written) = (Instant::now(), 0, 0, 0);
    let value = "v".repeat(4_000);
    while begun.elapsed() < lasts {
        let commands: Vec<_> = (0..50)
            .map(|step| ["SET".to_owned(), format!("late:{}", (written + step) % COLD), value.clone()])
            .collect();
        let replies = client.pipeline(&commands).expect("replies");
        assert!(replies.iter().all(|reply| !reply.is_error()), "{:?}", replies[0]);
        written += replies.len();
        most = most.max(subject.agent().rss_bytes());
        queue = queue.max(count(&mut client, "disk_flush_queue_bytes"));
    }
    let refused = refused(&mut client) - refused_before;
    println!(
        "{written} written in {lasts:?}, {} calls stalled; resident {} KiB before, {} KiB at most; {queue} bytes on their way at \
         most; {refused} entries not taken",
        fault.fired(),
        before >> 10,
        most >> 10
    );
    assert!(fault.fired() > 0 && refused > 0, "the disk took everything");
    assert!(most <= before + GROWTH_MAX, "{before} bytes became {most}");
    fault.clear();
    let is_back = poll_until(LIMIT, || {
        client.pipeline(&vec![["SET", "late:0", value.as_str()]; 50]).expect("replies");
        (count(&mut client, "disk_flush_queue_segments") == 0).then_some(())
    });
    assert!(is_back.is_some(), "nothing arrives after the stall");
    subject.end(End::Terminate);
}
