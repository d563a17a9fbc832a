//! The protocol at its edges: torn at every byte, lengths that are none, and shapes that no client sends.

use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::http::Metrics;
use larder_tests::probe::Prober;
use larder_tests::resp::{Client, Value, encode};

use super::arena::{Arena, Fate, Rude, fate};

const SOON: Duration = Duration::from_secs(10);

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

#[test]
fn a_batch_torn_at_every_byte_is_answered_the_same() {
    let agent = Agent::builder().tcp().start();
    let long = vec![b'x'; 40_000];
    let mut batch = b"PING\r\n\r\n*0\r\nSET \"in line\" 'one two'\r\n".to_vec();
    batch.extend(encode(&[b"SET", &b"k\r\n\0$5"[..], b"a\r\n*1\r\n"]));
    batch.extend(encode(&[b"GET", &b"k\r\n\0$5"[..]]));
    batch.extend(encode(&[b"SET", &b""[..], b""]));
    batch.extend(encode(&["MGET", "", "in line", "none"]));
    let expected = vec![
        Value::Simple(b"PONG".to_vec()),
        ok(),
        ok(),
        Value::Bulk(b"a\r\n*1\r\n".to_vec()),
        ok(),
        Value::Array(vec![Value::Bulk(vec![]), Value::Bulk(b"one two".to_vec()), Value::NullBulk]),
    ];
    let answers = |client: &mut Client, tear: usize, bytes: &[u8], count: usize| -> Vec<Value> {
        client.send_raw(&bytes[..tear]).expect("sent");
        // The reply to an ECHO of another client tells that the first part has been read.
        agent.client().call("ECHO read");
        client.send_raw(&bytes[tear..]).expect("sent");
        (0..count).map(|_| client.read().expect("a reply")).collect()
    };
    let mut unix = agent.client();
    let mut tcp = Client::connect_tcp(agent.tcp()).unwrap();
    for tear in 0..=batch.len() {
        assert_eq!(answers(&mut unix, tear, &batch, expected.len()), expected, "torn at {tear}");
        assert_eq!(answers(&mut tcp, tear, &batch, expected.len()), expected, "torn at {tear}, TCP");
    }
    // A command that is read into an allocation of its own, torn around everything that ends.
    let big = [encode(&[b"SET", &b"long"[..], &long]), encode(&["GET", "long"])].concat();
    let interesting = (0..60).chain(16_380..16_390).chain(32_760..32_775).chain(big.len() - 40..=big.len());
    for tear in interesting {
        assert_eq!(
            answers(&mut unix, tear, &big, 2),
            [ok(), Value::Bulk(long.clone())],
            "long, torn at {tear}"
        );
    }
    // Byte by byte, everything.
    for byte in &batch {
        unix.send_raw(std::slice::from_ref(byte)).unwrap();
    }
    expected.iter().for_each(|reply| assert_eq!(unix.read().unwrap(), *reply));
}

/// Each of these is answered with Redis's error, closes its connection, and no other: not even the next one.
#[test]
fn broken_bytes_close_their_own_connection_only() {
    let agent = Agent::start();
    let prober = Prober::start(&agent);
    let mut bystander = agent.client();
    assert_eq!(bystander.call("SET k v"), ok());
    let long_line = [&b"*1"[..], &[b'1'; 70_000]].concat();
    let long_inline = vec![b'a'; 70_000];
    let table: &[(&[u8], &str)] = &[
        (b"*x\r\n", "invalid multibulk length"),
        (b"*-\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*9223372036854775808\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$1073741824\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551615\r\n", "invalid bulk length"),
        (b"*2\r\n$3\r\nGET\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", "expected '$', got '*'"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", "expected '$', got '*'"),
        (b"*1\r\n%1\r\n", "expected '$', got '%'"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"GET \"k\r\n", "unbalanced quotes in request"),
        (b"GET 'k\r\n", "unbalanced quotes in request"),
        (b"GET \"k\"x\r\n", "unbalanced quotes in request"),
        (&long_line, "too big mbulk count string"),
        (&long_inline, "too big inline request"),
    ];
    for (bytes, error) in table {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut broken = agent.client();
        // What was asked before is answered before.
        broken.send_raw(&[b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", *bytes].concat()).unwrap();
        assert_eq!(broken.read().unwrap(), Value::Bulk(b"v".to_vec()), "{shown}");
        assert_eq!(
            broken.read().unwrap(),
            Value::Error(format!("ERR Protocol error: {error}").into()),
            "{shown}"
        );
        assert_eq!(fate(&mut broken, SOON), Fate::Closed, "{shown}");
        assert_eq!(bystander.call("GET k"), Value::Bulk(b"v".to_vec()), "after {shown}");
        assert_eq!(agent.client().call("GET k"), Value::Bulk(b"v".to_vec()), "a new client after {shown}");
    }
    prober.finish();
    let counted = Metrics::of(&agent).value("larder_clients_closed_total{reason=\"protocol\"}");
    assert_eq!(counted, table.len() as f64);
}

/// What Redis takes for nothing is nothing.
#[test]
fn empty_requests_ask_for_nothing() {
    let agent = Agent::start();
    let mut client = agent.client();
    client.send_raw(b"\r\n\n  \r\n*0\r\n*-1\r\n*-2147483648\r\n\r\nPING\r\n").unwrap();
    assert_eq!(client.read().unwrap(), Value::Simple(b"PONG".to_vec()));
}

/// HTTP that strays onto the socket must not run commands out of its body.
#[test]
fn a_browser_cannot_run_commands() {
    let agent = Agent::start();
    for head in ["POST / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = agent.client();
        client.send_raw(format!("{head}Content-Length: 30\r\n\r\nSET evil yes\r\n").as_bytes()).unwrap();
        let replies: Vec<_> = (0..8)
            .map_while(|_| match fate(&mut client, Duration::from_millis(500)) {
                Fate::Answered(reply) => Some(reply),
                _ => None,
            })
            .collect();
        assert!(replies.iter().all(Value::is_error), "{replies:?}");
        assert!(
            agent.client().call("GET evil").is_null(),
            "a cross-protocol request was obeyed after {head}"
        );
    }
}

#[test]
fn a_gibibyte_is_refused_and_64_mib_are_not_allocated_before_they_come() {
    let arena = Arena::new();
    let before = arena.agent.rss_bytes();
    let mut announcing: Vec<_> = (0..200)
        .map(|number| {
            let mut client = arena.agent.client();
            let length = if number % 2 == 0 { 64 << 20 } else { 512 << 20 };
            client.send_raw(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\nsome").as_bytes()).unwrap();
            client
        })
        .collect();
    // And two thousand million arguments.
    let mut arguments = arena.agent.client();
    arguments.send_raw(b"*2147483647\r\n$3\r\nSET\r\n").unwrap();
    announcing.push(arguments);
    arena.agent.client().call("ECHO read");
    let grown = arena.agent.rss_bytes().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for what was only announced");
    assert!(announcing.iter_mut().all(|client| !client.closes_within(Duration::from_millis(1)).unwrap()));
    drop(announcing);
    arena.verdict();
}

#[test]
fn binary_and_empty_keys_are_keys_like_others() {
    let agent = Agent::start();
    let mut client = agent.client();
    let all: Vec<u8> = (0..=255).collect();
    let keys: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        b"\r\n".to_vec(),
        b"$-1\r\n".to_vec(),
        all.clone(),
        vec![0xFF; 254],
        vec![0xFF; 255],
        vec![0xFF; 256],
        vec![b'k'; 100_000],
        "schlüssel-ключ-鍵".into(),
    ];
    for (number, key) in keys.iter().enumerate() {
        let value = [&all[..], &[number as u8]].concat();
        assert_eq!(client.command(&[b"SET", &key[..], &value]).unwrap(), ok());
    }
    assert_eq!(client.call("DBSIZE"), Value::Int(keys.len() as i64));
    for (number, key) in keys.iter().enumerate() {
        let value = [&all[..], &[number as u8]].concat();
        assert_eq!(client.command(&[b"GET", &key[..]]).unwrap(), Value::Bulk(value));
        assert_eq!(client.command(&[b"EXPIRE", &key[..], b"100"]).unwrap(), Value::Int(1));
    }
    let names = client.call("KEYS *");
    let mut names: Vec<_> =
        names.items().unwrap().iter().map(|name| name.bytes().unwrap().to_vec()).collect();
    let mut expected = keys.clone();
    names.sort();
    expected.sort();
    assert!(names == expected, "KEYS tells other names");
    for key in &keys {
        assert_eq!(client.command(&[b"RENAME", &key[..], b"moved"]).unwrap(), ok());
        assert_eq!(client.command(&[&b"RENAME"[..], b"moved", key]).unwrap(), ok());
        assert_eq!(client.command(&[b"DEL", &key[..]]).unwrap(), Value::Int(1));
    }
    assert_eq!(client.call("DBSIZE"), Value::Int(0));
}

fn mset(pairs: usize, arguments: usize) -> Vec<Vec<u8>> {
    let pair = |number: usize| [format!("key:{number}").into_bytes(), format!("value:{number}").into_bytes()];
    let words: Vec<_> = std::iter::once(b"MSET".to_vec()).chain((0..pairs).flat_map(pair)).collect();
    assert!(words.len() >= arguments);
    words
}

#[test]
fn commands_of_many_arguments() {
    let arena = Arena::new();
    let mut client = arena.agent.client();
    for pairs in [256, 512, 50_000, super::amount(100_000, 180_000)] {
        assert_eq!(client.command(&mset(pairs, pairs)).unwrap(), ok(), "MSET of {pairs} pairs");
        let keys: Vec<_> = (0..pairs).map(|number| format!("key:{number}").into_bytes()).collect();
        let mget: Vec<_> = std::iter::once(b"MGET".to_vec()).chain(keys.iter().cloned()).collect();
        let values = client.command(&mget).unwrap();
        let values = values.items().unwrap();
        // Of as many as fit, none is another's.
        for (number, value) in values.iter().enumerate() {
            assert!(
                value.is_null() || value.bytes() == Some(format!("value:{number}").as_bytes()),
                "{number}: {value:?}"
            );
        }
        if pairs <= 180_000 {
            assert!(values.iter().all(|value| !value.is_null()), "keys of {pairs} pairs are missing");
        }
        let del: Vec<_> = std::iter::once(b"DEL".to_vec()).chain(keys).collect();
        let found = values.iter().filter(|value| !value.is_null()).count();
        assert_eq!(client.command(&del).unwrap(), Value::Int(found as i64));
    }
    // Hundreds at once, torn wherever the socket tears them.
    let many: Vec<_> = (0..200).map(|_| mset(256, 512)).collect();
    assert!(client.pipeline(&many).unwrap().iter().all(|reply| *reply == ok()));
    arena.verdict();
}

#[test]
fn pipelines_have_no_depth_limit() {
    let arena = Arena::new();
    let mut client = arena.agent.client();
    let depth = super::amount(200_000, 700_000);
    let mut writer = Rude::new(&arena.agent);
    let batch = encode(&["INCR", "n"]).repeat(depth);
    let mut reader = std::io::BufReader::new(writer.0.try_clone().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(writer.send(&batch), "closed while its answers are read"));
        for number in 1..=depth {
            let reply = larder_tests::resp::read_value(&mut reader).unwrap();
            assert_eq!(reply, Value::Int(number as i64));
        }
    });
    assert_eq!(client.call("GET n"), Value::Bulk(depth.to_string().into()));
    arena.verdict();
}
