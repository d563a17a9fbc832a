//! Too much at once on the way in: the largest values from many clients, torn commands that pile up, full caches.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use larder_tests::http::Metrics;
use larder_tests::resp::encode;

use super::MIB;
use super::arena::{Arena, Fate, Rude, fate};

/// Many clients send a value each, all at once; how many of them were told OK.
fn all_at_once(arena: &Arena, clients: usize, bytes: usize) -> usize {
    let stored = AtomicUsize::new(0);
    let value = vec![b'x'; bytes];
    std::thread::scope(|scope| {
        for number in 0..clients {
            let (stored, value) = (&stored, &value);
            scope.spawn(move || {
                let mut client = arena.agent.client();
                let set = encode(&[b"SET", format!("big:{number}").as_bytes(), value]);
                if client.send_raw(&set).is_ok()
                    && let Fate::Answered(reply) = fate(&mut client, Duration::from_secs(60))
                {
                    assert_eq!(reply, larder_tests::resp::Value::Simple(b"OK".to_vec()));
                    stored.fetch_add(1, Relaxed);
                }
            });
        }
    });
    stored.into_inner()
}

#[test]
fn fifty_of_the_largest_values_at_once() {
    for limit in if super::thoroughly() { &[128, 256, 512][..] } else { &[128] } {
        let arena = Arena::with(limit * MIB, larder_tests::agent::Agent::builder());
        arena.fill();
        let largest = arena.max_value();
        let stored = all_at_once(&arena, 50, largest);
        println!("{stored} of 50 values of {} MiB were stored", largest / MIB);
        assert!(stored > 0, "not even one of fifty came through");
        // Whom the agent closed is counted, each once.
        let closed = Metrics::of(&arena.agent).value("larder_clients_closed_total{reason=\"buffers\"}");
        assert_eq!(closed, (50 - stored) as f64);
        arena.verdict();
    }
}

#[test]
fn the_largest_value_comes_through_alone() {
    let arena = Arena::new();
    arena.fill();
    for _ in 0..5 {
        assert_eq!(all_at_once(&arena, 1, arena.max_value()), 1);
    }
    // One byte more is refused, the connection stays, and nothing is dropped for it.
    let mut client = arena.agent.client();
    client.call("SET witness v");
    let before = client.call("DBSIZE").int().unwrap();
    let value = vec![b'x'; arena.max_value() + 1];
    let reply = client.command(&[b"SET", &b"big"[..], &value]).unwrap();
    assert!(reply.text().is_some_and(|text| text.starts_with("ERR string exceeds")), "{reply:?}");
    assert_eq!(client.call("GET witness"), larder_tests::resp::Value::Bulk(b"v".to_vec()));
    let after = client.call("DBSIZE").int().unwrap();
    // What had to go for the buffer it came in may go: not half of everything.
    assert!(after > before / 2, "{before} entries before, {after} after a value that was refused");
    arena.verdict();
}

/// One command that cannot be obeyed costs nothing.
#[test]
fn impossible_writes_drop_nothing() {
    let arena = Arena::new();
    arena.fill();
    let mut client = arena.agent.client();
    for line in [
        "SETRANGE k 4294967290 x",
        "SETRANGE k 536870911 x",
        "SETBIT k 4294967295 1",
        "BITFIELD k SET u8 4294967295 1",
    ] {
        let before = client.call("DBSIZE").int().unwrap();
        let reply = client.call(line);
        assert!(reply.is_error(), "{line}: {reply:?}");
        let text = reply.text().unwrap();
        assert!(!text.starts_with("OOM"), "{line}: {text}");
        let after = client.call("DBSIZE").int().unwrap();
        assert!(after * 10 > before * 9, "{line}: {before} entries before, {after} after it was refused");
    }
    // The same key fifty times is the room of one.
    let length = arena.max_value() / 2;
    let before = client.call("DBSIZE").int().unwrap();
    client.call("MULTI");
    for _ in 0..50 {
        client.call(&format!("SETRANGE same {length} x"));
    }
    let reply = client.call("EXEC");
    let after = client.call("DBSIZE").int().unwrap();
    println!(
        "50 SETRANGEs of one key in a transaction: {:.60}, {before} entries before, {after} after",
        format!("{reply:?}")
    );
    assert!(after > before / 4, "{before} entries before, {after} after");
    arena.verdict();
}

#[test]
fn torn_commands_pile_up() {
    let arena = Arena::new();
    arena.fill();
    let part = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n", &vec![b'x'; 200_000][..]].concat();
    let mut clients: Vec<_> = (0..super::amount(400, 2000)).map(|_| Rude::new(&arena.agent)).collect();
    for client in &mut clients {
        client.send(&part);
    }
    // What a client held is free a moment after it is closed.
    let limit = arena.memory() as f64 / 4.0;
    let under = larder_tests::poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_client_buffers_bytes") <= limit).then_some(())
    });
    assert!(under.is_some(), "buffers stay over their limit of {limit} bytes");
    let closed = Metrics::of(&arena.agent).value("larder_clients_closed_total{reason=\"buffers\"}");
    assert!(closed > 0.0, "the limit was never reached");
    drop(clients);
    let freed = larder_tests::poll_until(Duration::from_secs(10), || {
        (Metrics::of(&arena.agent).value("larder_client_buffers_bytes") < 1e6).then_some(())
    });
    assert!(freed.is_some(), "buffers of clients that left are still counted");
    arena.verdict();
}

/// Values of all large sizes, overwriting each other, from several clients at once.
#[test]
fn large_values_come_and_go() {
    let arena = Arena::new();
    let largest = arena.max_value();
    std::thread::scope(|scope| {
        for number in 0..4_usize {
            let arena = &arena;
            scope.spawn(move || {
                let value = vec![b'x'; largest];
                for turn in 0..super::amount(40, 1000) {
                    let mut client = arena.agent.client();
                    let length = largest / (1 + (turn * 7 + number * 3) % 12);
                    let key = format!("large:{}", (turn * 5 + number) % 40);
                    let set = encode(&[b"SET", key.as_bytes(), &value[..length]]);
                    let get = encode(&["GET", &key]);
                    if client.send_raw(&[set, get].concat()).is_ok() {
                        while matches!(fate(&mut client, Duration::from_secs(60)), Fate::Answered(reply) if reply.bytes() == Some(b"OK")) {}
                    }
                }
            });
        }
    });
    arena.verdict();
}
