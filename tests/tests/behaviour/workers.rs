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

/// A worker keeps a shard's lock from one command of a pipeline to the next: whatever comes between two that need it, wherever
/// its locks lie, must find it free.
#[test]
fn any_command_may_stand_between_two_of_one_key() {
    for workers in ["1", "2"] {
        let agent = agent_with(workers);
        let mut client = agent.client();
        let listed = client.call("COMMAND LIST");
        let names = listed.items().expect("names").iter().filter_map(Value::text);
        let bare = names
            .filter(|name| !["multi", "quit", "client", "wait"].contains(&name.as_str()))
            .flat_map(|name| {
                ["", " key", " key key", " key 1 key", " key key key key"].map(|rest| format!("{name}{rest}"))
            });
        let whole = [
            "CLIENT LIST",
            "CLIENT INFO",
            "CLIENT KILL ID 4000000000",
            "CLIENT UNPAUSE",
            "CONFIG RESETSTAT",
            "CONFIG SET maxmemory-policy volatile-lru",
            "CONFIG SET maxmemory-policy allkeys-lru",
            "OBJECT FREQ key",
            "CONFIG SET maxmemory 64mb",
            "MEMORY USAGE key",
            "MEMORY STATS",
            "SCAN 0",
            "KEYS *",
            "WATCH key other",
            "UNWATCH",
            "SWAPDB 0 1",
            "SWAPDB 1 0",
            "SELECT 0",
            "COPY key other REPLACE",
            "RENAME other third",
            "BITOP NOT third key",
            "MSETNX fifth 1 sixth 2",
            "FLUSHDB",
            "FLUSHALL",
            "INFO all",
            "RESET",
            "DISCARD",
        ];
        for line in bare.chain(whole.map(str::to_owned)) {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let batch =
                [&["SET", "key", "1"][..], &["GET", "key"], &words, &["SET", "key", "2"], &["GET", "key"]];
            let replies = client.pipeline(&batch).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!((&replies[0], &replies[1]), (&ok(), &bulk("1")), "before {line}");
            assert_eq!((&replies[3], &replies[4]), (&ok(), &bulk("2")), "after {line}");
        }
        let batch = [
            &["WATCH", "key"][..],
            &["SET", "key", "3"],
            &["MULTI"],
            &["GET", "key"],
            &["EXEC"],
            &["GET", "key"],
            &["MULTI"],
            &["INCR", "key"],
            &["DBSIZE"],
            &["EXEC"],
            &["GET", "key"],
        ];
        let replies = client.pipeline(&batch).expect("replies");
        assert_eq!((&replies[5], &replies[10]), (&bulk("3"), &bulk("4")), "{replies:?}");
    }
}
