//! Several workers: what many connections do at once adds up exactly.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use larder_tests::agent::Agent;
use larder_tests::resp::{Client, Value};

use super::{bulk, ok, rounds};

const CONNECTIONS: usize = 16;

/// Closed without an answer, a connection panics its thread; the others must end then.
fn agent_with(workers: &str) -> Agent {
    Agent::builder().args(&["--workers", workers, "--memory", "64MiB"]).start()
}

fn each_connection(agent: &Agent, work: impl Fn(usize, &mut Client) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let work = &work;
            scope.spawn(move || work(number, &mut agent.client()));
        }
    });
}

#[test]
fn counters_count_every_increment() {
    for workers in ["1", "2", "4"] {
        let agent = agent_with(workers);
        let batches = rounds(20, 500);
        each_connection(&agent, |number, client| {
            let own = format!("own:{number}");
            let batch = [
                &["INCR", "shared"][..],
                &["INCR", &own],
                &["INCRBY", "shared", "2"],
                &["APPEND", "text", "x"],
            ];
            let batch: Vec<_> = batch.into_iter().cycle().take(100).collect();
            for _ in 0..batches {
                for reply in client.pipeline(&batch).expect("replies") {
                    assert!(reply.int().is_some(), "{reply:?}");
                }
            }
        });
        let each = 25 * batches;
        let mut client = agent.client();
        assert_eq!(client.call("GET shared"), bulk(&(each * CONNECTIONS * 3).to_string()));
        assert_eq!(client.call("STRLEN text"), Value::Int((each * CONNECTIONS) as i64));
        for number in 0..CONNECTIONS {
            assert_eq!(client.call(&format!("GET own:{number}")), bulk(&each.to_string()));
        }
        assert_eq!(client.call("DBSIZE"), Value::Int(CONNECTIONS as i64 + 2));
    }
}

/// Half of them move amounts between accounts, half look at all accounts at once: the sum must never change.
#[test]
fn transactions_are_seen_whole() {
    const ACCOUNTS: usize = 8;
    const SUM: i64 = 8_000;
    for workers in ["2", "4"] {
        let agent = agent_with(workers);
        let names: Vec<_> = (0..ACCOUNTS).map(|number| format!("account:{number}")).collect();
        let mut client = agent.client();
        names.iter().for_each(|name| assert_eq!(client.call(&format!("SET {name} 1000")), ok()));
        let sum = |values: &Value| -> i64 {
            let values = values.items().expect("an array");
            values
                .iter()
                .map(|value| value.text().and_then(|text| text.parse::<i64>().ok()).expect("a number"))
                .sum()
        };
        let transfers = rounds(1_500, 30_000);
        let moving = AtomicUsize::new(CONNECTIONS / 2);
        let looks = AtomicUsize::new(0);
        each_connection(&agent, |number, client| {
            if number < CONNECTIONS / 2 {
                for turn in 0..transfers {
                    let (from, to) = (&names[(turn + number) % ACCOUNTS], &names[(turn * 3 + 1) % ACCOUNTS]);
                    let batch = [&["MULTI"][..], &["DECRBY", from, "7"], &["INCRBY", to, "7"], &["EXEC"]];
                    let replies = client.pipeline(&batch).expect("replies");
                    assert_eq!(replies[3].items().map(<[Value]>::len), Some(2), "{replies:?}");
                }
                moving.fetch_sub(1, Relaxed);
                return;
            }
            let mget: Vec<&str> = std::iter::once("MGET").chain(names.iter().map(String::as_str)).collect();
            while moving.load(Relaxed) > 0 {
                let alone = client.command(&mget).expect("a reply");
                assert_eq!(sum(&alone), SUM, "MGET by itself: {alone:?}");
                let replies = client.pipeline(&[&["MULTI"][..], &mget, &["EXEC"]]).expect("replies");
                let executed = &replies[2].items().expect("an array")[0];
                assert_eq!(sum(executed), SUM, "inside EXEC: {executed:?}");
                looks.fetch_add(1, Relaxed);
            }
        });
        assert!(looks.load(Relaxed) > 100, "the readers hardly looked");
    }
}

/// The textbook use of WATCH: no increment may be lost, whoever has to try again.
#[test]
fn optimistic_locking_loses_nothing() {
    for workers in ["1", "4"] {
        let agent = agent_with(workers);
        assert_eq!(agent.client().call("SET n 0"), ok());
        let each = rounds(50, 2_000);
        each_connection(&agent, |_, client| {
            let mut done = 0;
            while done < each {
                client.call("WATCH n");
                let seen: i64 =
                    client.call("GET n").text().and_then(|text| text.parse().ok()).expect("a number");
                let next = (seen + 1).to_string();
                let replies =
                    client.pipeline(&[&["MULTI"][..], &["SET", "n", &next], &["EXEC"]]).expect("replies");
                done += usize::from(replies[2] != Value::NullArray);
            }
        });
        assert_eq!(agent.client().call("GET n"), bulk(&(each * CONNECTIONS).to_string()));
    }
}

/// Databases are flushed and exchanged under those who use others.
#[test]
fn flushes_and_swaps_touch_only_their_databases() {
    let agent = agent_with("4");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = agent.client();
            while !ended.load(Relaxed) {
                for line in ["SELECT 5", "SET a b", "SWAPDB 5 6", "FLUSHDB", "SELECT 6", "FLUSHDB"] {
                    assert_eq!(client.call(line), ok(), "{line}");
                }
            }
        });
        for number in 0..4 {
            let (agent, ended) = (&agent, &ended);
            scope.spawn(move || {
                let mut client = agent.client();
                let name = format!("counter:{number}");
                for turn in 1..=rounds(3_000, 100_000) {
                    assert_eq!(client.command(&["INCR", &name]).expect("a reply"), Value::Int(turn as i64));
                }
                if number == 0 {
                    ended.store(true, Relaxed);
                }
            });
        }
    });
}
