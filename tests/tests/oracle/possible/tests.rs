//! Of the checker itself: what it explains, and what not.

use std::time::Duration;

use super::*;

const KEY: Key = 1;
const OTHER: Key = 2;

fn at(sent: u64) -> Span {
    Span { sent: Duration::from_secs(sent), answered: Duration::from_secs(sent + 1) }
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

fn set(value: &str, ttl: Option<u64>, tags: &[u8]) -> Command {
    let tags = tags.iter().copied().collect();
    Command::Set { key: KEY, value: value.into(), ttl, tags, if_absent: false }
}

/// Runs commands with their replies, a second apart; returns which of them could not be explained.
fn unexplained(steps: &[(Command, Option<Value>)]) -> Vec<usize> {
    let mut possible = Possible::default();
    let mut found = Vec::new();
    for (number, (command, reply)) in steps.iter().enumerate() {
        let mut then = possible.clone();
        if then.run(0, command, at(number as u64), reply.as_ref()).is_err() {
            found.push(number);
        }
        match reply {
            Some(_) => possible = then,
            None => possible.or(&then),
        }
    }
    found
}

fn delete() -> Command {
    Command::Remove { keys: vec![KEY], verb: "DEL" }
}

#[test]
fn a_miss_is_always_explained_and_a_hit_after_it() {
    let get = |value| (Command::Get(KEY), Some(value));
    assert!(
        unexplained(&[(set("a", None, &[]), Some(ok())), get(Value::NullBulk), get(bulk("a"))]).is_empty()
    );
    assert_eq!(unexplained(&[get(bulk("a"))]), [0]);
}

#[test]
fn what_was_deleted_or_overwritten_is_found() {
    let first = (set("a", None, &[]), Some(ok()));
    let get = (Command::Get(KEY), Some(bulk("a")));
    let ends: [(Command, Value); 9] = [
        (set("b", None, &[]), ok()),
        (delete(), Value::Int(1)),
        // Not found, and yet deleted.
        (delete(), Value::Int(0)),
        (Command::GetDel(KEY), bulk("a")),
        (Command::Rename(KEY, OTHER), ok()),
        (Command::SetMany(vec![(KEY, b"b".to_vec())]), ok()),
        (Command::PurgePrefix("b:"), Value::Int(1)),
        (Command::Flush, ok()),
        (Command::Swap, ok()),
    ];
    for (end, reply) in ends {
        let steps = [first.clone(), get.clone(), (end.clone(), Some(reply)), get.clone()];
        assert_eq!(unexplained(&steps), [3], "{end:?}");
        let steps = [first.clone(), (end.clone(), None), get.clone()];
        assert!(unexplained(&steps).is_empty(), "{end:?}, not acknowledged");
    }
}

#[test]
fn what_expired_is_found_and_so_is_a_deadline_that_was_lost() {
    let first = (set("a", None, &[]), Some(ok()));
    let expire = (Command::Expire(KEY, 500), Some(Value::Int(1)));
    let wait = (Command::Get(OTHER), Some(Value::NullBulk));
    let get = (Command::Get(KEY), Some(bulk("a")));
    assert_eq!(unexplained(&[first.clone(), expire.clone(), wait, get]), [3]);
    let lost = (Command::Remaining(KEY), Some(Value::Int(-1)));
    assert_eq!(unexplained(&[first.clone(), expire.clone(), lost.clone()]), [2]);
    let persist = (Command::Persist(KEY), Some(Value::Int(1)));
    assert!(unexplained(&[first, expire, persist, lost]).is_empty());
}

#[test]
fn replies_tell_what_was_there() {
    let first = (set("a", None, &[]), Some(ok()));
    let append = |length| (Command::Append(KEY, b"x".to_vec()), Some(Value::Int(length)));
    let get = |text| (Command::Get(KEY), Some(bulk(text)));
    assert!(unexplained(&[first.clone(), append(2), get("ax")]).is_empty());
    assert_eq!(unexplained(&[first.clone(), append(2), get("x")]), [2]);
    assert_eq!(unexplained(&[first.clone(), append(1), get("ax")]), [2]);
    assert_eq!(unexplained(&[first.clone(), append(3)]), [1]);
    let copy = Command::Copy { from: KEY, to: OTHER, replace: true };
    let there = (Command::Get(OTHER), Some(bulk("a")));
    assert!(unexplained(&[first, (copy, Some(Value::Int(1))), there]).is_empty());
}

#[test]
fn tags_stay_with_what_carries_them() {
    let get = |key| (Command::Get(key), Some(bulk("a")));
    let purge = (Command::PurgeTag(3), Some(Value::Int(1)));
    let tagged = (set("a", None, &[3]), Some(ok()));
    assert_eq!(unexplained(&[tagged.clone(), purge.clone(), get(KEY)]), [2]);
    let moved = (Command::Rename(KEY, OTHER), Some(ok()));
    assert_eq!(unexplained(&[tagged.clone(), moved, purge.clone(), get(OTHER)]), [3]);
    let replaced = (set("a", None, &[]), Some(ok()));
    assert!(unexplained(&[tagged, replaced.clone(), purge.clone(), get(KEY)]).is_empty());
    let late = (Command::Tag(KEY, 3), Some(Value::Int(1)));
    assert_eq!(unexplained(&[replaced, late, purge, get(KEY)]), [3]);
}

#[test]
fn what_was_not_answered_may_have_found_nothing() {
    let other = Command::SetMany(vec![(OTHER, b"b".to_vec())]);
    for command in [Command::Rename(KEY, OTHER), Command::Copy { from: KEY, to: OTHER, replace: false }] {
        for (database_swapped, value) in [(true, "b"), (false, "a"), (false, "b")] {
            let mut possible = Possible::default();
            possible.run(0, &set("a", None, &[]), at(0), Some(&ok())).expect("explained");
            possible.run(0, &other, at(1), Some(&ok())).expect("explained");
            let mut then = possible.clone();
            for command in [&command, &Command::Swap] {
                then.run(0, command, at(2), None).expect("nothing was told");
                possible.or(&then);
            }
            let read = Command::Get(OTHER);
            let found = possible.run(usize::from(database_swapped), &read, at(3), Some(&bulk(value)));
            assert!(found.is_ok(), "{command:?}: {found:?}");
        }
    }
}
