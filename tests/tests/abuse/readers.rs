//! Clients that ask and do not take the answers: not at all, slowly, or only later.

use std::io::{BufReader, Read};
use std::time::Duration;

use larder_tests::http::Metrics;
use larder_tests::resp::{Value, encode, read_value};

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
    let arena = arena();
    let mut clients = Vec::new();
    for _ in 0..super::amount(3000, 9000) {
        let mut client = Rude::new(&arena.agent);
        client.send(&encode(&["GET", "long"]));
        clients.push(client);
    }
    arena.verdict();
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
    let alone = larder_tests::poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_clients") <= 2.0).then_some(())
    });
    assert!(alone.is_some(), "{} clients are still there", Metrics::of(&arena.agent).value("larder_clients"));
    arena.verdict();
}
