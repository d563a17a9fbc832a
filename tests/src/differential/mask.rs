//! What may differ between the subject's reply and a peer's, and how little. This is the whole list: whatever is not
//! named here must be equal byte for byte.
//!
//! Under every mask an error must still be the same error, a null the same null, and a value of the same wire type.

use crate::resp::Value;

use super::command::Command;

/// How a masked reply is compared.
#[derive(Clone, Copy, Debug)]
enum Mask {
    /// Only the wire type.
    Kind,
    /// The elements, in any order.
    Unordered,
    /// Integers, this far apart at most; the negative ones mean something else and must be equal.
    Near(i64),
    /// A map with the peer's keys and the same protocol version; its other values tell who the server is.
    Hello,
    /// For each command asked for: its name, its arity and where its keys are; or null where the peer has null.
    CommandInfo,
    /// A cursor and an array.
    Scan,
    /// Lines, the first of which introduces the same command.
    Help,
}

/// Milliseconds that may pass between two servers receiving a command, on a loaded machine; the runner runs a case
/// again in which a step took half of it.
pub(crate) const CLOCK_TOLERANCE_MS: i64 = 1000;

/// The masked commands, and why.
const MASKS: &[(&str, Mask, &str)] = &[
    ("TIME", Mask::Kind, "the clock"),
    ("LASTSAVE", Mask::Kind, "when the server was started"),
    ("INFO", Mask::Kind, "sections and figures are each server's own"),
    ("ROLE", Mask::Kind, "replication is none of Larder's business"),
    ("HELLO", Mask::Hello, "name, version and connection id"),
    ("COMMAND", Mask::Kind, "each server has commands that others lack"),
    ("COMMAND|COUNT", Mask::Kind, "each server has commands that others lack"),
    ("COMMAND|LIST", Mask::Kind, "each server has commands that others lack"),
    ("COMMAND|DOCS", Mask::Kind, "summaries are each server's own"),
    ("COMMAND|INFO", Mask::CommandInfo, "flags, ACL categories and tips are each server's own"),
    ("CONFIG|GET", Mask::Kind, "each server has parameters that others lack"),
    ("CLIENT|ID", Mask::Kind, "the harness's own connections count too"),
    ("CLIENT|INFO", Mask::Kind, "ids, addresses and figures"),
    ("CLIENT|LIST", Mask::Kind, "ids, addresses and figures"),
    ("KEYS", Mask::Unordered, "the order of a hash table"),
    (
        "SCAN",
        Mask::Scan,
        "the order of a hash table; a whole scan is compared as a set, by a step of its own",
    ),
    ("RANDOMKEY", Mask::Kind, "random"),
    ("MEMORY|USAGE", Mask::Kind, "each server's own layout"),
    ("MEMORY|DOCTOR", Mask::Kind, "prose"),
    ("MEMORY|STATS", Mask::Kind, "each server's own layout"),
    ("MEMORY|MALLOC-STATS", Mask::Kind, "the allocator's own text"),
    ("OBJECT|ENCODING", Mask::Kind, "each server's own layout"),
    ("OBJECT|IDLETIME", Mask::Kind, "the clock"),
    ("OBJECT|FREQ", Mask::Kind, "counted by chance"),
    ("SLOWLOG|GET", Mask::Kind, "what was slow"),
    ("SLOWLOG|LEN", Mask::Kind, "what was slow"),
    ("LATENCY|LATEST", Mask::Kind, "what was slow"),
    ("LATENCY|HISTORY", Mask::Kind, "what was slow"),
    ("LATENCY|RESET", Mask::Kind, "what was slow"),
    ("LATENCY|DOCTOR", Mask::Kind, "prose"),
    ("LATENCY|GRAPH", Mask::Kind, "what was slow"),
    ("LATENCY|HISTOGRAM", Mask::Kind, "what was slow"),
    ("MODULE|LIST", Mask::Kind, "modules of the peers' own"),
    // The servers receive a command one after the other: what counts down, or was counted from now, differs by that.
    ("PTTL", Mask::Near(CLOCK_TOLERANCE_MS), "the clock"),
    ("PEXPIRETIME", Mask::Near(CLOCK_TOLERANCE_MS), "the clock"),
    ("TTL", Mask::Near(1), "the clock"),
    ("EXPIRETIME", Mask::Near(1), "the clock"),
];

// And, for what all HELP subcommands list are each server's own subcommands: `Mask::Help`.

/// The errors that name what does not exist: behind the name, Larder tells what to use instead and Redis repeats the
/// arguments.
const UNKNOWN: [&str; 2] = ["ERR unknown command '", "ERR unknown subcommand '"];

/// Whether the subject's reply to `command` is, as far as it must be, a peer's.
pub(crate) fn same(command: &Command, subject: &Value, peer: &Value) -> bool {
    if subject == peer {
        return true;
    }
    if let (Value::Error(subject), Value::Error(peer)) = (subject, peer) {
        return same_unknown(subject, peer);
    }
    let mask = if command.name.ends_with("|HELP") {
        Some(Mask::Help)
    } else {
        MASKS.iter().find(|(name, ..)| *name == command.name).map(|(_, mask, _)| *mask)
    };
    mask.is_some_and(|mask| same_under(mask, command, subject, peer))
}

fn same_under(mask: Mask, command: &Command, subject: &Value, peer: &Value) -> bool {
    // Of simple strings only QUEUED and RESET and their like are replies to masked commands.
    let same_kind = subject.kind() == peer.kind() && !matches!(subject, Value::Simple(_) | Value::Error(_));
    same_kind
        && match mask {
            Mask::Kind => true,
            Mask::Unordered => sorted(subject) == sorted(peer),
            Mask::Near(distance) => subject.int().zip(peer.int()).is_some_and(|(ours, theirs)| {
                ours >= 0 && theirs >= 0 && ours.abs_diff(theirs) <= distance.unsigned_abs()
            }),
            Mask::Hello => same_hello(subject, peer),
            // Without names it is about each server's own commands.
            Mask::CommandInfo => command.args.len() == 2 || same_command_info(subject, peer),
            Mask::Scan => {
                let kinds = |value: &Value| {
                    value.items().map(|items| items.iter().map(Value::kind).collect::<Vec<_>>())
                };
                kinds(subject) == kinds(peer)
            }
            Mask::Help => help_of(subject).is_some_and(|name| Some(name) == help_of(peer)),
        }
}

fn same_unknown(subject: &[u8], peer: &[u8]) -> bool {
    let named = |text: &[u8]| -> Option<Vec<u8>> {
        let prefix = UNKNOWN.iter().find(|prefix| text.starts_with(prefix.as_bytes()))?;
        let end = text.iter().skip(prefix.len()).position(|byte| *byte == b'\'')?;
        Some(text[..prefix.len() + end].to_vec())
    };
    named(subject).is_some_and(|ours| Some(ours) == named(peer))
}

/// What comes before `<subcommand>` in the first line, if all lines are simple strings.
fn help_of(value: &Value) -> Option<String> {
    let lines = value.items()?;
    let simple = lines.iter().all(|line| matches!(line, Value::Simple(_)));
    let first = lines.first().filter(|_| simple)?.text()?;
    first.split_once(" <subcommand> ").map(|(name, _)| name.to_owned())
}

fn sorted(value: &Value) -> Option<Vec<&Value>> {
    let mut items: Vec<&Value> = value.items()?.iter().collect();
    items.sort();
    Some(items)
}

fn same_hello(subject: &Value, peer: &Value) -> bool {
    let shared = ["server", "version", "proto", "id", "mode", "role", "modules"];
    shared.iter().all(|key| subject.get(key).map(Value::kind) == peer.get(key).map(Value::kind))
        && subject.get("proto") == peer.get("proto")
}

fn same_command_info(subject: &Value, peer: &Value) -> bool {
    let (Some(ours), Some(theirs)) = (subject.items(), peer.items()) else { return false };
    let same = |(ours, theirs): (&Value, &Value)| match (ours.items(), theirs.items()) {
        // Name, arity, flags, first key, last key, step.
        (Some(ours), Some(theirs)) => [0, 1, 3, 4, 5].iter().all(|at| ours.get(*at) == theirs.get(*at)),
        _ => ours == theirs,
    };
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
}

#[cfg(test)]
mod tests {
    use super::{Command, Value};

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn same(name: &'static str, subject: &Value, peer: &Value) -> bool {
        super::same(&Command::of(name, &[]), subject, peer)
    }

    #[test]
    fn a_mask_hides_no_more_than_it_says() {
        let keys = |keys: &[&str]| Value::Array(keys.iter().map(|key| bulk(key)).collect());
        assert!(same("KEYS", &keys(&["a", "b"]), &keys(&["b", "a"])));
        assert!(!same("KEYS", &keys(&["a", "a"]), &keys(&["b", "a"])));
        assert!(same("PTTL", &Value::Int(59_990), &Value::Int(60_000)));
        assert!(!same("PTTL", &Value::Int(-1), &Value::Int(0)));
        assert!(!same("PTTL", &Value::Int(-1), &Value::Int(-2)));
        assert!(!same("PTTL", &Value::Int(1), &Value::Int(60_000)));
        assert!(same("RANDOMKEY", &bulk("a"), &bulk("b")));
        assert!(!same("RANDOMKEY", &bulk("a"), &Value::NullBulk));
        assert!(!same("GET", &bulk("a"), &bulk("b")));
        assert!(!same("GET", &Value::Null, &Value::NullBulk));
    }

    #[test]
    fn errors_are_equal_but_for_what_to_use_instead() {
        let error = |text: &str| Value::Error(text.as_bytes().to_vec());
        let theirs = error("ERR unknown command 'LPUSH', with args beginning with: ");
        assert!(same("LPUSH", &error("ERR unknown command 'LPUSH': Larder has no lists"), &theirs));
        assert!(!same("LPUSH", &error("ERR unknown command 'LPOP': Larder has no lists"), &theirs));
        assert!(!same("INFO", &error("ERR one"), &error("ERR other")));
        assert!(!same("INFO", &error("ERR one"), &bulk("text")));
    }
}
