//! The kinds of arguments: for each, values that mostly succeed and some that lie on or past an edge.
//!
//! Where a value could bring a server down or the test to a halt, no such value is here: offsets either fit in some
//! hundred bytes or are past every limit (in between, Redis would allocate half a gigabyte), WAIT and PAUSE last
//! some milliseconds, and CLIENT KILL names clients that do not exist.

use proptest::prelude::*;
use proptest::sample::select;

use super::command::Arg;

/// What a kind gives: one argument, or several that belong together.
pub(crate) type Arguments = BoxedStrategy<Vec<Arg>>;

/// Keys of texts: among them the empty one, one with bytes that are no text, one of glob characters.
const TEXT_KEYS: [&[u8]; 5] = [b"a", b"b", b"", b"\x00\xff\r\n", b"k[*]?\\"];
/// Keys of integers.
const INT_KEYS: [&[u8]; 2] = [b"n1", b"n2"];
/// The key of floating-point numbers.
const FLOAT_KEYS: [&[u8]; 1] = [b"f"];

/// All keys.
pub(crate) fn all_keys() -> Vec<&'static [u8]> {
    [TEXT_KEYS.as_slice(), &INT_KEYS, &FLOAT_KEYS].concat()
}

/// The strategy of a kind.
///
/// # Panics
/// When there is no such kind.
pub(crate) fn kind(name: &str) -> Arguments {
    match name {
        "key" => keys(&TEXT_KEYS),
        "nkey" => keys(&INT_KEYS),
        "fkey" => keys(&FLOAT_KEYS),
        "value" => value(),
        "int" => {
            mostly(int(), &["9223372036854775807", "-9223372036854775808", "1.5", "abc", "", "007", "+1"])
        }
        "float" => float(),
        "sec" => seconds(),
        "ms" => milliseconds(),
        "unixsec" => mostly(far(1).prop_map(Arg::UnixSec), &["1", "0", "-1", "9223372036854775807", "1.5"]),
        "unixms" => unix_milliseconds(),
        "index" => mostly(
            (-12_i64..40).prop_map(number),
            &["9223372036854775807", "-9223372036854775808", "9223372036854775808", "x"],
        ),
        "offset" => mostly((0_i64..200).prop_map(number), &["-1", "536870912", "9223372036854775807", "x"]),
        "bitoffset" => {
            mostly((0_i64..200).prop_map(number), &["-1", "4294967296", "99999999999999999999", "x"])
        }
        "bit" => mostly(texts(&["0", "1"]), &["2", "-1", "x", "01"]),
        "bittype" => mostly(
            texts(&["u1", "u8", "u16", "u63", "i8", "i16", "i64", "i5", "u3", "U7", "I9"]),
            &["u64", "i65", "i0", "u", "x8", "-1", ""],
        ),
        "fieldoffset" => mostly(
            prop_oneof![
                (0_i64..100).prop_map(number),
                (0_i64..12).prop_map(|at| Arg::text(&format!("#{at}")))
            ],
            &["-1", "#-1", "#", "x", "4294967296", "#4294967296", "9223372036854775807"],
        ),
        "db" => mostly(texts(&["0", "0", "1", "2"]), &["15", "16", "-1", "x", "", "99999999999"]),
        "cursor" => mostly(texts(&["0"]), &["x", "-1", "", " 0", "18446744073709551616"]),
        "pattern" => pattern(),
        "count" => mostly((1_i64..30).prop_map(number), &["0", "-1", "x", "1000"]),
        "slowcount" => mostly((0_i64..30).prop_map(number), &["-1", "-2", "x"]),
        // Not "none": of a key that has expired and was not yet met, Redis's SCAN says that it is of that type.
        "type" => mostly(texts(&["string", "STRING"]), &["list", "hash", "nosuchtype"]),
        "proto" => mostly(texts(&["2", "3"]), &["1", "4", "x", "-3"]),
        "user" => mostly(texts(&["default"]), &["nobody", ""]),
        "password" => mostly(texts(&["secret"]), &[""]),
        "name" => mostly(texts(&["app", "worker-1", "", "a.b:c"]), &["two words", "line\nbreak", "\u{e9}"]),
        "clientid" => mostly((1_i64..20).prop_map(number), &["0", "-1", "x"]),
        "noclient" => mostly(texts(&["999999999"]), &["-1", "x"]),
        "address" => mostly(texts(&["192.0.2.1:1", "192.0.2.1:65535"]), &["", "nonsense"]),
        "pausems" => mostly(texts(&["0", "1", "2"]), &["-1", "x"]),
        "replicas" => mostly(texts(&["0", "1"]), &["x", "-1"]),
        "waitms" => mostly(texts(&["1", "3"]), &["x", "-1"]),
        "section" => mostly(
            texts(&[
                "server",
                "clients",
                "memory",
                "stats",
                "replication",
                "keyspace",
                "ALL",
                "default",
                "everything",
            ]),
            &["nosuchsection", ""],
        ),
        "parameter" => mostly(
            texts(&[
                "maxmemory",
                "maxmemory-policy",
                "timeout",
                "databases",
                "max*",
                "*",
                "save",
                "appendonly",
            ]),
            &["nosuchparameter", ""],
        ),
        "setting" => setting(),
        "command" => {
            mostly(texts(&["get", "SET", "client", "client|list", "mget", "bitop"]), &["nosuchcommand", ""])
        }
        "keyless" => texts(&["PING", "CLIENT", "nosuchcommand", ""]),
        "category" => texts(&["string", "read", "nosuchcategory"]),
        "event" => mostly(texts(&["command", "fork"]), &["nosuchevent", ""]),
        _ => panic!("the grammar names a kind `{name}` that does not exist"),
    }
}

/// Something that fits nowhere, for damaging a command; never a number that means something (see the head).
pub(crate) fn junk() -> Arguments {
    let texts = vec![
        "",
        "abc",
        "1.5x",
        "nan",
        "9223372036854775808",
        "-9223372036854775809",
        "-1",
        " 1",
        "+1",
        "0x1",
    ];
    prop_oneof![
        6 => select(texts).prop_map(|text| vec![Arg::text(text)]),
        1 => Just(vec![Arg::Text(b"\x00\xff".to_vec())]),
    ]
    .boxed()
}

fn number(number: i64) -> Arg {
    Arg::text(&number.to_string())
}

fn texts(texts: &'static [&'static str]) -> Arguments {
    select(texts).prop_map(|text| vec![Arg::text(text)]).boxed()
}

/// `usual` nine times of ten, else one of `edges`.
fn mostly<T: IntoArguments>(
    usual: impl Strategy<Value = T> + 'static,
    edges: &'static [&'static str],
) -> Arguments {
    prop_oneof![9 => usual.prop_map(IntoArguments::into_arguments), 1 => texts(edges)].boxed()
}

/// One argument or several.
trait IntoArguments: std::fmt::Debug + 'static {
    fn into_arguments(self) -> Vec<Arg>;
}

impl IntoArguments for Arg {
    fn into_arguments(self) -> Vec<Arg> {
        vec![self]
    }
}

impl IntoArguments for Vec<Arg> {
    fn into_arguments(self) -> Vec<Arg> {
        self
    }
}

/// Mostly one of `own`, so that commands meet values that they can work with; now and then any key.
fn keys(own: &'static [&'static [u8]]) -> Arguments {
    let key = |key: &[u8]| vec![Arg::Text(key.to_vec())];
    prop_oneof![12 => select(own).prop_map(key), 1 => select(all_keys()).prop_map(key)].boxed()
}

fn value() -> Arguments {
    let bytes = prop_oneof![
        3 => select(["x", "hello", "Hello, world", "", "12", "-5", "3.25", "foobar\r\n", "0"].as_slice())
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 1..12),
        1 => (any::<u8>(), 20_usize..300).prop_map(|(byte, length)| vec![byte; length]),
    ];
    bytes.prop_map(|bytes| vec![Arg::Text(bytes)]).boxed()
}

fn int() -> BoxedStrategy<Arg> {
    let edges = vec![i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1, 9_999, 10_000, 255, -128];
    prop_oneof![4 => -20_i64..200, 1 => select(edges)].prop_map(number).boxed()
}

fn float() -> Arguments {
    let plain =
        ["0.1", "0.2", "-1.5", "3", "10.50", "5.0e3", "1e-5", "-0", "3.141592653589793", "1e17", ".5", "5."];
    let decimal = (-1000_i64..1000, 1_u32..8).prop_map(|(digits, places)| {
        Arg::text(&format!("{:.*}", places as usize, digits as f64 / 10_f64.powi(places as i32)))
    });
    prop_oneof![4 => texts_of(plain), 4 => decimal.prop_map(|arg| vec![arg]), 1 => texts(&[
        "nan", "inf", "-inf", "1e308", "1e5000", "1.7e4932", "abc", "", " 1", "1 ", "1e", "0x10", "1.5.5",
    ])]
    .boxed()
}

fn texts_of<const N: usize>(texts: [&'static str; N]) -> Arguments {
    select(texts.to_vec()).prop_map(|text| vec![Arg::text(text)]).boxed()
}

/// A TTL far beyond the test's end, in units of `per_second` to the second. Two of them never meet but by rare
/// chance, so that whether one is greater than another does not hang on the milliseconds between two commands; for
/// that they must not be shrunk towards each other either. A millisecond TTL is never a whole second for the same reason.
fn far(per_second: i64) -> BoxedStrategy<i64> {
    let offset = if per_second == 1 { 0 } else { per_second / 2 };
    (100_i64..1_000_000).prop_map(move |seconds| seconds * per_second + offset).no_shrink().boxed()
}

fn seconds() -> Arguments {
    mostly(
        far(1).prop_map(number),
        &["0", "-1", "9223372036854775807", "9223372036854776", "-9223372036854775808", "1.5", "x"],
    )
}

fn milliseconds() -> Arguments {
    let usual = prop_oneof![1 => Just(Arg::ShortMs), 2 => far(1000).prop_map(number)];
    mostly(usual, &["0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "x"])
}

fn unix_milliseconds() -> Arguments {
    let usual = prop_oneof![1 => Just(Arg::ShortUnixMs), 2 => far(1000).prop_map(Arg::UnixMs)];
    mostly(usual, &["1", "0", "-1", "9223372036854775807", "1.5"])
}

fn pattern() -> Arguments {
    texts(&[
        "*",
        "*",
        "?",
        "n*",
        "n[12]",
        "[a-b]",
        "[^a]",
        "[b-a]",
        "k\\[\\*\\]*",
        "",
        "nosuchkey",
        "a",
        "**",
        "[",
        "\\",
        "n[1",
        "*\n",
    ])
}

/// Only settings that the runner restores before the next case.
fn setting() -> Arguments {
    let pairs = [
        ["maxmemory-policy", "allkeys-lru"],
        ["maxmemory-policy", "allkeys-lfu"],
        ["maxmemory-policy", "volatile-lru"],
        ["maxmemory-policy", "noeviction"],
        ["maxmemory-policy", "nosuchpolicy"],
        ["slowlog-log-slower-than", "10000"],
        ["slowlog-log-slower-than", "x"],
        ["slowlog-max-len", "64"],
        ["latency-monitor-threshold", "100"],
        ["nosuchparameter", "1"],
    ];
    select(pairs.to_vec()).prop_map(|pair| pair.map(Arg::text).to_vec()).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::KEYS;
    use crate::differential::grammar::{self, Node};

    fn each_kind(node: &Node, visit: &mut impl FnMut(&'static str)) {
        match node {
            Node::Word(_) => {}
            Node::Kind(name) => visit(name),
            Node::Sequence(nodes) | Node::Shuffled(nodes) | Node::Either(nodes) => {
                nodes.iter().for_each(|node| each_kind(node, visit));
            }
            Node::Maybe(node) | Node::Repeated(node) => each_kind(node, visit),
        }
    }

    #[test]
    fn there_are_as_many_keys_as_promised_and_every_kind_that_the_grammar_names() {
        assert_eq!(all_keys().len(), KEYS);
        for line in grammar::table() {
            // Panics when there is no such kind.
            each_kind(&line.arguments, &mut |name| drop(kind(name)));
        }
    }
}
