//! Clients that ask and do not take the answers: not at all, slowly, or only later.

use std::io::{BufReader, Read};
use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::poll_until;
use larder_tests::resp::{Client, Value, encode, read_value};

use super::arena::{Arena, Rude};

const LONG: usize = 100_000;

fn arena() -> Arena {
    let arena = Arena::new();
    arena.fill();
    let reply = arena.agent.client().command(&[b"SET", &b"long"[..], &vec![b'x'; LONG]]).expect("a reply");
    assert!(!reply.is_error());
    arena
}

/// The value may have been evicted by the time that it is asked for.
fn is_long_or_gone(reply: &Value) -> bool {
    reply.is_null()
        || matches!(reply, Value::Bulk(value) if value.len() == LONG && value.iter().all(|&byte| byte == b'x'))
}

#[test]
fn a_hundred_thousand_long_answers_never_read() {
    let arena = arena();
    let mut clients: Vec<_> = (0..super::amount(10, 50)).map(|_| Rude::new(&arena.agent)).collect();
    let batch = encode(&["GET", "long"]).repeat(100_000);
    for client in &mut clients {
        client.send(&batch);
    }
    let held = Metrics::of(&arena.agent).value("larder_client_buffers_bytes");
    assert!(held > 0.0 && held <= arena.memory() as f64 / 4.0 + 1e6, "{held}");
    arena.verdict();
}

#[test]
fn a_hundred_thousand_long_answers_read_later() {
    let arena = arena();
    let count = super::amount(5_000, 100_000);
    let mut client = Rude::new(&arena.agent);
    assert!(client.send(&encode(&["GET", "long"]).repeat(count)), "closed for three megabytes of input");
    let mut reader = BufReader::with_capacity(1 << 20, &client.0);
    for number in 0..count {
        let reply = read_value(&mut reader).unwrap_or_else(|error| panic!("answer {number}: {error}"));
        assert!(is_long_or_gone(&reply), "answer {number} is wrong");
    }
    arena.verdict();
}

#[test]
fn answers_read_slowly_come_whole() {
    let arena = arena();
    let mut clients: Vec<_> = (0..20).map(|_| Rude::new(&arena.agent)).collect();
    for client in &mut clients {
        assert!(client.send(&encode(&["GET", "long"]).repeat(200)));
    }
    // A little from each in turn: every one of them is slow all the time.
    let mut answers = vec![Vec::new(); clients.len()];
    let mut piece = vec![0; 7_001];
    for _ in 0..50 {
        for (client, answer) in clients.iter_mut().zip(&mut answers) {
            let got = client.0.read(&mut piece).expect("more answers");
            answer.extend_from_slice(&piece[..got]);
        }
    }
    for (client, answer) in clients.iter().zip(&answers) {
        let mut reader = BufReader::new(answer.as_slice().chain(&client.0));
        for number in 0..200 {
            let reply = read_value(&mut reader).unwrap_or_else(|error| panic!("answer {number}: {error}"));
            assert!(is_long_or_gone(&reply), "answer {number} is wrong");
        }
    }
    arena.verdict();
}

/// Answers that fit the sockets' own buffers: the agent has sent them, the kernel holds them, on the agent's account.
#[test]
fn answers_that_only_the_kernel_holds() {
    let _alone = super::alone_with_a_crowd();
    let (arena, count) = crowded_arena();
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Rude::new(&arena.agent);
        client.send(&encode(&["GET", "long"]));
        clients.push(client);
    }
    verdict_on_a_crowd(arena, clients);
}

/// Answers that went out whole, so that no connection has anything left to send.
#[test]
fn short_answers_that_only_the_kernel_holds() {
    let _alone = super::alone_with_a_crowd();
    let (arena, count) = crowded_arena();
    arena.agent.client().command(&[b"SET", &b"short"[..], &[b'x'; 4000]]).expect("a reply");
    let mut clients: Vec<_> = (0..count).map(|_| Rude::new(&arena.agent)).collect();
    for client in &mut clients {
        client.send(&encode(&["GET", "short"]));
    }
    let counted = poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_client_buffers_bytes") > 4e3 * count as f64 / 2.0)
            .then_some(())
    });
    assert!(counted.is_some(), "nobody knows of them: {}", figures(&arena));
    verdict_on_a_crowd(arena, clients);
}

/// While others leave much unread, whoever reads still gets everything, over either kind of socket, if in small pieces.
#[test]
fn who_reads_among_those_who_do_not_gets_all() {
    let arena = Arena::with(128 << 20, Agent::builder().tcp());
    arena.agent.client().command(&[b"SET", &b"short"[..], &[b'x'; 4000]]).expect("a reply");
    arena.agent.client().command(&[b"SET", &b"long"[..], &[b'x'; LONG]]).expect("a reply");
    // From before, with large buffers, and from now.
    let mut readers =
        vec![arena.agent.client(), Client::connect_tcp(arena.agent.tcp()).expect("a connection")];
    let mut crowd: Vec<_> = (0..2_500).map(|_| Rude::new(&arena.agent)).collect();
    for client in &mut crowd {
        client.send(&encode(&["GET", "short"]));
    }
    let limit = Metrics::of(&arena.agent).value("larder_client_buffers_limit_bytes");
    let pressed = poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_client_buffers_bytes") > limit / 2.0).then_some(())
    });
    assert!(pressed.is_some(), "{}", figures(&arena));
    readers.push(arena.agent.client());
    let commands = [[b"GET", &b"long"[..]]; 10];
    for reader in &mut readers {
        for _ in 0..5 {
            let replies = reader.pipeline(&commands).expect("all replies");
            assert!(replies.len() == 10 && replies.iter().all(is_long_or_gone));
            assert!(is_long_or_gone(&reader.call("GET long")));
        }
    }
    assert_eq!(Metrics::of(&arena.agent).value("larder_clients_closed_total{reason=\"buffers\"}"), 0.0);
    // When the others are gone everybody is served as before.
    drop(crowd);
    assert!(readers.iter_mut().all(|reader| is_long_or_gone(&reader.call("GET long"))));
    arena.verdict();
}

/// The clients are there before there is anything to read; then all ask.
#[test]
fn a_crowd_asks_and_does_not_read() {
    let _alone = super::alone_with_a_crowd();
    let (arena, count) = crowded_arena();
    let mut clients: Vec<_> = (0..count).map(|_| Rude::new(&arena.agent)).collect();
    for client in &mut clients {
        client.send(&encode(&["GET", "long"]));
    }
    verdict_on_a_crowd(arena, clients);
}

/// Connections that the agent has closed, and whose client keeps its descriptors and reads nothing.
#[test]
fn closed_connections_that_are_kept_and_never_read() {
    let _alone = super::alone_with_a_crowd();
    let mut arena = arena();
    arena.keep_one_prober_connection();
    // Some end by themselves, having said all that they will say; the others are closed for what they do not read.
    let batches = [encode(&["GET", "long"]), encode(&["INFO", "everything"]).repeat(20)];
    let mut kept = Vec::new();
    for round in 0..super::amount(5, 8) {
        for number in 0..2_000 {
            let mut client = Rude::new(&arena.agent);
            let is_open = client.send(&batches[number % 2]);
            if is_open && number % 3 == 0 {
                client.0.shutdown(std::net::Shutdown::Write).expect("half of it closed");
            }
            kept.push(client);
        }
        println!("round {round}: {}", figures(&arena));
    }
    let metrics = Metrics::of(&arena.agent);
    assert!(metrics.value("larder_clients_lingering") > 1000.0, "{}", figures(&arena));
    assert!(metrics.value("larder_clients_rejected_total{reason=\"buffers\"}") > 0.0, "{}", figures(&arena));
    verdict_on_a_crowd(arena, kept);
}

/// An arena for more clients than their share of memory allows: past that new ones are refused.
fn crowded_arena() -> (Arena, usize) {
    let mut arena = arena();
    if super::thoroughly() {
        arena.keep_one_prober_connection();
    }
    (arena, super::amount(3000, 9000))
}

/// Waits until all of a crowd was let in or refused, sends it away, and looks that nothing is left of it.
fn verdict_on_a_crowd(arena: Arena, crowd: Vec<Rude>) {
    let came = poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_connections_total") >= crowd.len() as f64).then_some(())
    });
    assert!(came.is_some(), "not all came: {}", figures(&arena));
    let metrics = Metrics::of(&arena.agent);
    println!("{}", figures(&arena));
    assert!(
        metrics.value("larder_client_buffers_bytes")
            <= metrics.value("larder_cache_memory_limit_bytes") / 2.0,
        "{}",
        figures(&arena)
    );
    drop(crowd);
    // New ones are let in at once.
    assert_eq!(arena.agent.client().call("PING"), Value::Simple(b"PONG".to_vec()));
    let gone = poll_until(Duration::from_secs(10), || {
        let metrics = Metrics::of(&arena.agent);
        (metrics.value("larder_client_buffers_bytes") == 0.0
            && metrics.value("larder_clients_lingering") == 0.0
            && metrics.value("larder_clients") <= 2.0)
            .then_some(())
    });
    assert!(gone.is_some(), "who has gone is still counted: {}", figures(&arena));
    arena.verdict();
}

fn figures(arena: &Arena) -> String {
    let metrics = Metrics::of(&arena.agent);
    let names = [
        "larder_client_buffers_bytes",
        "larder_clients",
        "larder_clients_lingering",
        "larder_clients_rejected_total{reason=\"buffers\"}",
        "larder_clients_rejected_total{reason=\"limit\"}",
        "larder_clients_closed_total{reason=\"buffers\"}",
    ];
    names.map(|name| format!("{name} {}", metrics.value(name))).join(", ")
}

#[test]
fn short_answers_in_great_number_never_read() {
    let arena = arena();
    let mut clients: Vec<_> = (0..500).map(|_| Rude::new(&arena.agent)).collect();
    let batch = encode(&["INFO", "everything"]).repeat(100);
    for client in &mut clients {
        client.send(&batch);
    }
    clients[0].is_closed_within(Duration::from_millis(100));
    arena.verdict();
}

/// Half-open: they said all they will ever say, and still get every answer.
#[test]
fn a_client_that_stopped_sending_is_answered_and_closed() {
    let arena = arena();
    // Few enough that what they are owed is under the limit of buffers.
    let clients: Vec<_> = (0..30)
        .map(|_| {
            let mut client = Rude::new(&arena.agent);
            assert!(client.send(&encode(&["GET", "long"]).repeat(5)));
            client.0.shutdown(std::net::Shutdown::Write).expect("half of it closed");
            client
        })
        .collect();
    for client in &clients {
        let mut reader = BufReader::new(&client.0);
        for _ in 0..5 {
            assert!(is_long_or_gone(&read_value(&mut reader).expect("an answer")));
        }
        assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
    }
    drop(clients);
    // With a torn command at its end, too; and one that leaves without reading.
    for _ in 0..200 {
        let mut client = Rude::new(&arena.agent);
        client.send(&[encode(&["GET", "long"]).repeat(5), b"*2\r\n$3\r\nGE".to_vec()].concat());
    }
    let alone = poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_clients") <= 2.0).then_some(())
    });
    assert!(alone.is_some(), "{} clients are still there", Metrics::of(&arena.agent).value("larder_clients"));
    arena.verdict();
}
