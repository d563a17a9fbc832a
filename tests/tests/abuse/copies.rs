//! Small requests with huge consequences: replies, transactions and stored names that are far larger than what was sent.
//!
//! In each, the misbehaving client may be answered, refused or closed; all that counts is the verdict.

use std::time::Duration;

use larder_tests::resp::{Client, encode};

use super::MIB;
use super::arena::{Arena, Rude, fate};

/// How long such a client is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a transaction of `count` times what `command` makes, and waits for what becomes of it.
fn transaction(arena: &Arena, count: usize, command: impl Fn(usize) -> Vec<Vec<u8>>) {
    let mut client = arena.agent.client();
    let mut batch = encode(&["MULTI"]);
    for number in 0..count {
        batch.extend(encode(&command(number)));
    }
    batch.extend(encode(&["EXEC"]));
    if client.send_raw(&batch).is_ok() {
        // All the answers there are, until it is closed or says nothing more.
        for _ in 0..count + 2 {
            if !matches!(fate(&mut client, PATIENCE), super::arena::Fate::Answered(_)) {
                break;
            }
        }
    }
}

/// The same, by a client that takes no answer.
fn unread_transaction(arena: &Arena, count: usize, words: &[&str]) {
    let mut client = Rude::new(&arena.agent);
    let batch = [encode(&["MULTI"]), encode(words).repeat(count), encode(&["EXEC"])].concat();
    client.send(&batch);
    client.is_closed_within(Duration::from_secs(1));
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn store(client: &mut Client, key: &str, bytes: usize) {
    let reply = client.command(&[b"SET", key.as_bytes(), &vec![b'x'; bytes]]).expect("a reply");
    assert!(!reply.is_error(), "{reply:?}");
}

#[test]
fn one_mget_of_a_gigabyte() {
    let arena = Arena::new();
    arena.fill();
    store(&mut arena.agent.client(), "k", 1000);
    for count in [100_000, 1_000_000] {
        let mut client = Rude::new(&arena.agent);
        let mget: Vec<&str> = std::iter::once("MGET").chain(std::iter::repeat_n("k", count)).collect();
        client.send(&encode(&mget));
        client.is_closed_within(Duration::from_secs(1));
    }
    arena.verdict();
}

/// Six bytes each on the wire, many times that once they are understood.
#[test]
fn millions_of_empty_arguments() {
    let arena = Arena::new();
    arena.fill();
    for (name, count) in
        [("MGET", 1_000_000), ("DEL", 3_500_000), ("EXISTS", 20_000_000), ("WATCH", 3_500_000)]
    {
        let mut client = Rude::new(&arena.agent);
        let head = format!("*{}\r\n${}\r\n{name}\r\n", count + 1, name.len());
        // Piece by piece: it may be refused after the first.
        let piece = b"$0\r\n\r\n".repeat(100_000);
        let _ = client.send(head.as_bytes()) && (0..count / 100_000).all(|_| client.send(&piece));
        client.is_closed_within(Duration::from_secs(1));
    }
    arena.verdict();
}

#[test]
fn copies_of_a_long_value_in_one_transaction() {
    let arena = Arena::new();
    let length = arena.max_value() / 2;
    store(&mut arena.agent.client(), "long", length);
    unread_transaction(&arena, 300, &["GETRANGE", "long", "0", "-1"]);
    unread_transaction(&arena, 300, &["GET", "long"]);
    unread_transaction(&arena, 3, &["GETRANGE", "long", "0", "-1"]);
    arena.verdict();
}

#[test]
fn long_texts_in_one_transaction() {
    let arena = Arena::new();
    arena.fill();
    for line in [
        "COMMAND DOCS",
        "COMMAND",
        "INFO everything",
        "KEYS *",
        "CONFIG GET *",
        "CLIENT LIST",
        "SCAN 0 COUNT 10000",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        unread_transaction(&arena, 3000, &words);
    }
    arena.verdict();
}

#[test]
fn writes_that_make_more_than_they_carry() {
    let arena = Arena::new();
    arena.fill();
    let length = arena.max_value() * 3 / 4;
    store(&mut arena.agent.client(), "long", length);
    transaction(&arena, 60, |number| words(&format!("BITOP NOT made:{number} long")));
    store(&mut arena.agent.client(), "long", length);
    transaction(&arena, 120, |number| {
        words(&if number < 60 {
            format!("COPY long copy:{number}")
        } else {
            format!("APPEND copy:{} x", number - 60)
        })
    });
    transaction(&arena, 60, |number| words(&format!("BITFIELD field:{number} SET u8 {} 1", length * 8)));
    transaction(&arena, 60, |number| words(&format!("SETRANGE range:{number} {length} x")));
    transaction(&arena, 60, |number| words(&format!("SETBIT bit:{number} {} 1", length * 8)));
    arena.verdict();
}

#[test]
fn the_same_writes_one_by_one() {
    let arena = Arena::new();
    arena.fill();
    let length = arena.max_value() * 3 / 4;
    let mut client = arena.agent.client();
    store(&mut client, "long", length);
    for number in 0..super::amount(15, 100) {
        for line in [
            format!("BITOP NOT made:{number} long"),
            format!("COPY long copy:{number}"),
            format!("APPEND copy:{number} x"),
            format!("BITFIELD field:{number} SET u8 {} 1", length * 8),
            format!("SETRANGE range:{number} {length} x"),
            format!("SETBIT bit:{number} {} 1", length * 8),
        ] {
            let reply = client.call(&line);
            assert!(!reply.is_error(), "{line}: {reply:?}");
        }
        if client.call("GET long").is_null() {
            store(&mut client, "long", length);
        }
    }
    drop(client);
    arena.verdict();
}

#[test]
fn names_that_nobody_counts() {
    let arena = Arena::new();
    arena.fill();
    let long = "n".repeat(4 * MIB);
    let mut clients: Vec<_> = (0..40).map(|_| arena.agent.client()).collect();
    for client in &mut clients {
        let mut batch = encode(&["CLIENT", "SETNAME", &long]);
        batch.extend(encode(&["CLIENT", "SETINFO", "LIB-NAME", &long]));
        batch.extend(encode(&["HELLO", "3", "SETNAME", &long]));
        let _ = client.send_raw(&batch);
    }
    for client in &mut clients {
        // Three answers, unless it is closed.
        for _ in 0..3 {
            fate(client, PATIENCE);
        }
    }
    // And in lists and logs.
    let mut operator = arena.agent.client();
    operator.call("CONFIG SET slowlog-log-slower-than 0");
    operator.call("CONFIG SET slowlog-max-len 10000");
    for client in &mut clients {
        let _ = client.send_raw(&encode(&["PING"]).repeat(100));
    }
    operator.call("CLIENT LIST");
    arena.verdict();
}

#[test]
fn watched_names() {
    let arena = Arena::new();
    arena.fill();
    let mut clients: Vec<_> = (0..20).map(|_| Rude::new(&arena.agent)).collect();
    for number in 0..10 {
        for client in &mut clients {
            let name = [format!("{number}:").as_bytes(), &vec![b'w'; 2 * MIB]].concat();
            client.send(&encode(&[b"WATCH", &name[..]]));
        }
    }
    // Short ones, but many.
    let mut many = Rude::new(&arena.agent);
    for batch in 0..super::amount(20, 200) {
        let names: Vec<_> = (0..10_000).map(|number| format!("{batch}:{number}")).collect();
        let words: Vec<_> = std::iter::once("WATCH").chain(names.iter().map(String::as_str)).collect();
        if !many.send(&encode(&words)) {
            break;
        }
    }
    many.is_closed_within(Duration::from_secs(1));
    arena.verdict();
}

/// Errors that quote what they complain about must not quote all of it, nor make it longer.
#[test]
fn errors_do_not_echo_megabytes() {
    let arena = Arena::new();
    arena.fill();
    let long = vec![0xFF; arena.memory() / 12];
    let long = &long[..];
    for words in [
        &[&b"CLIENT"[..], b"KILL", b"USER", long][..],
        &[b"CLIENT", b"KILL", b"TYPE", long],
        &[b"CLIENT", b"KILL", long],
        &[b"CLIENT", b"LIST", b"TYPE", long],
        &[b"CLIENT", b"SETINFO", long, b"x"],
        &[b"CLIENT", long],
        &[b"CONFIG", b"SET", long, b"x"],
        &[b"CONFIG", b"SET", b"maxmemory", long],
        &[b"CONFIG", b"GET", long],
        &[b"HELLO", b"3", long],
        &[b"HELLO", long],
        &[b"AUTH", long],
        &[b"AUTH", long, b"x"],
        &[b"OBJECT", long],
        &[b"INFO", long],
        &[b"COMMAND", b"INFO", long],
        &[b"COMMAND", b"DOCS", long],
        &[b"COMMAND", b"GETKEYS", long],
        &[long],
        &[long, b"x", long],
        &[b"GET", long, long],
        &[b"SUBSCRIBE", long],
        &[b"SELECT", long],
        &[b"EXPIRE", b"k", long],
    ] {
        let mut client = arena.agent.client();
        if client.send_raw(&encode(words)).is_err() {
            continue;
        }
        if let super::arena::Fate::Answered(reply) = fate(&mut client, PATIENCE) {
            let length = reply.bytes().map_or(0, <[u8]>::len);
            assert!(length < 4096, "{length} bytes of error: {:.200}", format!("{reply:?}"));
        }
    }
    arena.verdict();
}

#[test]
fn all_names_at_once() {
    let arena = Arena::new();
    let mut client = arena.agent.client();
    for first in (0..8000).step_by(50) {
        let names: Vec<_> =
            (first..first + 50).map(|number| format!("{number}:{}", "k".repeat(16_000))).collect();
        let commands: Vec<_> = names.iter().map(|name| ["SET", name, "v"]).collect();
        client.pipeline(&commands).unwrap();
    }
    drop(client);
    let mut clients: Vec<_> = (0..8).map(|_| Rude::new(&arena.agent)).collect();
    clients.iter_mut().for_each(|client| {
        client.send(&encode(&["KEYS", "*"]));
    });
    for client in &mut clients {
        client.send(&encode(&["SCAN", "0", "COUNT", "10000"]));
    }
    clients[0].is_closed_within(Duration::from_secs(1));
    arena.verdict();
}

#[test]
fn long_transactions_that_never_end() {
    let arena = Arena::new();
    arena.fill();
    let mut clients: Vec<_> = (0..20).map(|_| Rude::new(&arena.agent)).collect();
    let batch = encode(&["GET", "k"]).repeat(50_000);
    for client in &mut clients {
        client.send(b"MULTI\r\n");
    }
    for client in &mut clients {
        let mut reader = client.0.try_clone().expect("a second handle");
        std::thread::scope(|scope| {
            // Takes the QUEUEDs so that nothing else is in the way.
            scope.spawn(|| std::io::copy(&mut reader, &mut std::io::sink()));
            for _ in 0..4 {
                if !client.send(&batch) {
                    break;
                }
            }
            let _ = client.0.shutdown(std::net::Shutdown::Write);
        });
    }
    arena.verdict();
}
