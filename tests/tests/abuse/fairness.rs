//! One client's work must not stop the others: what takes long takes turns, and who holds nothing is not closed.

use std::io::BufReader;
use std::time::{Duration, Instant};

use larder_tests::agent::Agent;
use larder_tests::resp::{Value, encode, read_value};

use super::arena::{Arena, Rude};
use super::{MIB, amount};

/// Far more than any turn may take, so that a loaded machine does not fail these; what they look for takes seconds.
const WORST: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_asks_to_be_spared_is_not_spared_at_the_cost_of_others() {
    let mut arena = Arena::new();
    arena.keep_one_prober_connection();
    let mut idle: Vec<_> = (0..50).map(|_| arena.agent.client()).collect();
    idle.iter_mut().for_each(|client| assert!(!client.call("PING").is_error()));
    let mut hungry = arena.agent.client();
    assert!(!hungry.call("CLIENT NO-EVICT ON").is_error());
    let _ = hungry
        .send_raw(&[b"*2\r\n$3\r\nSET\r\n$100000000\r\n", &vec![b'x'; arena.memory() / 2][..]].concat());
    let dead = idle.iter_mut().filter_map(|client| client.command(&["PING"]).err()).count();
    assert_eq!(dead, 0, "{dead} of 50 idle clients were closed in its place");
    arena.verdict();
}

#[test]
fn many_watches() {
    let arena = Arena::new();
    let names: Vec<_> = (0..amount(50_000, 100_000)).map(|number| format!("k:{number}")).collect();
    let words: Vec<_> = std::iter::once("WATCH").chain(names.iter().map(String::as_str)).collect();
    let mut client = arena.agent.client();
    assert!(!client.command(&words).unwrap().is_error());
    assert!(!client.call("UNWATCH").is_error());
    // One by one as well.
    for part in names.chunks(1000) {
        let commands: Vec<_> = part.iter().map(|name| ["WATCH", name]).collect();
        assert!(client.pipeline(&commands).unwrap().iter().all(|reply| !reply.is_error()));
    }
    drop(client);
    arena.verdict_within(WORST);
}

#[test]
fn patterns_that_match_slowly() {
    let arena = Arena::new();
    let mut client = arena.agent.client();
    client.set_read_limit(Some(Duration::from_secs(120))).unwrap();
    for length in [60_000, 200_000] {
        let name = "a".repeat(length);
        assert!(!client.command(&["SET", &name, "v"]).unwrap().is_error());
        let half = format!("*{}b", "a".repeat(length / 2));
        let stars = format!("{}b", "a*".repeat(1000));
        let classes = format!("*{}b", "[a-z]".repeat(2000));
        for pattern in [&half, &stars, &classes, &"*?".repeat(2000)] {
            for command in [
                &["SCAN", "0", "MATCH", pattern][..],
                &["KEYS", pattern],
                &["CONFIG", "GET", pattern],
                &["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern],
            ] {
                // Refused or answered: soon.
                client.command(command).unwrap();
            }
        }
    }
    drop(client);
    arena.verdict_within(WORST);
}

#[test]
fn a_long_pipeline_whose_answers_are_read_late() {
    let arena = Arena::new();
    let value = vec![b'v'; 1000];
    assert!(!arena.agent.client().command(&[b"SET", &b"k"[..], &value]).unwrap().is_error());
    let count = amount(300_000, 800_000);
    let mut client = Rude::new(&arena.agent);
    // It fits the limit of buffers, so it is kept.
    assert!(client.send(&encode(&["GET", "k"]).repeat(count)));
    let started = Instant::now();
    let mut reader = BufReader::with_capacity(1 << 20, &client.0);
    for number in 0..count {
        let reply = read_value(&mut reader).unwrap_or_else(|error| panic!("answer {number}: {error}"));
        assert!(reply.is_null() || reply.bytes() == Some(&value));
    }
    println!("{count} answers of 1 kB read late, in {:?}", started.elapsed());
    // Twice as many take about twice as long, not four times: at 8 MB of input copied a resume, minutes.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    arena.verdict_within(WORST);
}

#[test]
fn megabytes_of_nothing() {
    let arena = Arena::new();
    assert!(!arena.agent.client().command(&[b"SET", &b"long"[..], &vec![b'x'; 100_000]]).unwrap().is_error());
    for nothing in [&b"\r\n"[..], b"\n", b"*0\r\n", b"*-1\r\n", b" \r\n"] {
        let mut client = Rude::new(&arena.agent);
        // Its answers wait, so that what follows is kept, and then run in one go.
        client.send(&encode(&["GET", "long"]).repeat(10));
        client.send(&nothing.repeat(10 * MIB / nothing.len()));
        client.send(b"PING\r\n");
        let mut reader = BufReader::new(&client.0);
        for _ in 0..10 {
            read_value(&mut reader).expect("an answer");
        }
        assert_eq!(read_value(&mut reader).expect("an answer"), Value::Simple(b"PONG".to_vec()));
    }
    arena.verdict_within(WORST);
}

/// Slow by their size: each of these looks at, copies or deletes a great deal.
#[test]
fn large_commands() {
    let arena = Arena::with(512 * MIB, Agent::builder());
    arena.fill_with(10, 100 * MIB);
    let mut client = arena.agent.client();
    client.set_read_limit(Some(Duration::from_secs(60))).unwrap();
    for line in [
        "DBSIZE",
        "KEYS nosuch*",
        "SCAN 0 COUNT 100000000",
        "RANDOMKEY",
        "INFO everything",
        "FLUSHDB",
        "FLUSHALL",
    ] {
        let started = Instant::now();
        let reply = client.call(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
        println!("{line}: {:?}", started.elapsed());
    }
    drop(client);
    arena.verdict_within(WORST);
}

/// A client that pauses everything can be undone by another, and pausing costs no CPU.
#[test]
fn a_pause_does_not_spin() {
    let agent = Agent::start();
    let mut operator = agent.client();
    let mut waiting: Vec<_> = (0..100).map(|_| agent.client()).collect();
    assert!(!operator.call("CLIENT PAUSE 60000 ALL").is_error());
    for client in &mut waiting {
        client.send_raw(&encode(&["SET", "k", "v"]).repeat(100)).unwrap();
    }
    let before = cpu_nanos(agent.pid());
    let started = Instant::now();
    // A measuring time, not a wait: what is asked is how much CPU goes by in it.
    std::thread::sleep(Duration::from_secs(1));
    let share = (cpu_nanos(agent.pid()) - before) as f64 / started.elapsed().as_nanos() as f64;
    assert!(share < 0.25, "a pause takes {:.0} % of a CPU", share * 100.0);
    assert!(!operator.call("CLIENT UNPAUSE").is_error());
    for client in &mut waiting {
        assert!(!client.read().unwrap().is_error());
    }
}

/// CPU time of all threads of a process, in nanoseconds.
pub(crate) fn cpu_nanos(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
