//! Random bytes, and commands with random bytes in them.

use larder_tests::resp::encode;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::arena::{Arena, Rude};

/// Pieces that look enough like the protocol to lead somewhere.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        Just("0"),
        Just("1"),
        Just("2"),
        Just("3"),
        Just("-1"),
        Just("10"),
        Just("99999"),
        Just("4294967296")
    ];
    let word = prop_oneof![
        Just("GET"),
        Just("SET"),
        Just("MSET"),
        Just("MULTI"),
        Just("EXEC"),
        Just("WATCH"),
        Just("BITFIELD"),
        Just("SETRANGE"),
        Just("SCAN"),
        Just("OBJECT"),
        Just("CLIENT"),
        Just("CONFIG"),
        Just("HELLO"),
        Just("RESET"),
        Just("COPY"),
        Just("EXPIRE"),
        Just("GETEX"),
        Just("INCRBYFLOAT"),
        Just("BITPOS"),
        Just("LCS"),
        Just("SORT"),
        Just("k"),
        Just("")
    ];
    prop_oneof![
        4 => word.prop_map(|word| encode(&[word])[4..].to_vec()),
        3 => number.clone().prop_map(|number| format!("*{number}\r\n").into_bytes()),
        2 => number.prop_map(|number| format!("${number}\r\n").into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| encode(&[&b"GET"[..], &bytes])),
    ]
}

#[test]
fn random_bytes_harm_nobody() {
    let arena = Arena::new();
    let cases = super::amount(1500, 40_000) as u32;
    let seed =
        std::env::var("LARDER_SEED").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or_else(|| {
            u64::from(std::process::id())
                ^ std::time::UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs()
        });
    println!("LARDER_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner =
        TestRunner::new_with_rng(Config { cases, failure_persistence: None, ..Config::default() }, rng);
    let batches = prop::collection::vec(piece(), 1..40).prop_map(|pieces| pieces.concat());
    let outcome = runner.run(&batches, |batch| {
        let mut client = Rude::new(&arena.agent);
        let _ = client.send(&batch);
        drop(client);
        // One after the other: whoever comes next must find a worker in order.
        let reply = arena.agent.client().command(&["ECHO", "still there"]);
        let reply = reply.map_err(|error| TestCaseError::fail(format!("the next client: {error}")))?;
        prop_assert_eq!(reply.bytes(), Some(&b"still there"[..]));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("LARDER_SEED={seed}: {error}\n{}", arena.agent.log());
    }
    arena.verdict();
}

/// Every command of the table with arguments that hardly any expects.
#[test]
fn every_command_survives_odd_arguments() {
    let arena = Arena::new();
    let mut client = arena.agent.client();
    let names: Vec<String> = client
        .call("COMMAND LIST")
        .items()
        .expect("a list")
        .iter()
        .filter_map(larder_tests::resp::Value::text)
        .filter(|name| !["quit", "shutdown", "client", "debug", "auth"].contains(&name.as_str()))
        .collect();
    assert!(names.len() > 50, "{names:?}");
    let odd: [&[u8]; 14] = [
        b"",
        b"k",
        b"-1",
        b"0",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"18446744073709551616",
        b"1e400",
        b"nan",
        b"*",
        b"\xff\xfe\0",
        b"[",
        b"u64",
        b"GET",
    ];
    for name in &names {
        for first in odd {
            for second in odd {
                for words in [
                    &[name.as_bytes(), first][..],
                    &[name.as_bytes(), first, second],
                    &[name.as_bytes(), first, second, first],
                    &[name.as_bytes(), first, second, second, first],
                ] {
                    let reply = client.command(words);
                    assert!(reply.is_ok(), "{words:?}: {reply:?}\n{}", arena.agent.log());
                }
            }
        }
    }
    client.call("RESET");
    arena.verdict();
}
