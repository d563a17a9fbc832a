//! Tags, invalidations by hand, raced fills, and what is told of a key.

use std::time::Duration;

use larder_tests::agent::Agent;
use larder_tests::resp::{Client, Value};

use super::{bulk, ok};

fn agent() -> Agent {
    Agent::builder().args(&["--memory", "64MiB"]).start()
}

/// A field of a map, in either protocol version.
fn field(map: &Value, name: &str) -> Value {
    let items = map.items().expect("a map as an array");
    let place = items.iter().step_by(2).position(|item| item.text().as_deref() == Some(name));
    items[place.unwrap_or_else(|| panic!("no {name} in {map:?}")) * 2 + 1].clone()
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn names(value: &Value) -> Vec<String> {
    value.items().expect("an array").iter().filter_map(Value::text).collect()
}

#[test]
fn tags_are_carried_told_and_purged_by() {
    let agent = agent();
    let mut client = agent.client();
    assert_eq!(client.call("LARDER.SET page:1 one EX 100 TAGS 2 user:1 pages"), ok());
    assert_eq!(client.call("LARDER.SET page:2 two NX TAGS 1 pages"), ok());
    assert_eq!(client.call("SET page:3 three"), ok());
    assert_eq!(names(&client.call("LARDER.TAGS page:1")), ["user:1", "pages"]);
    assert_eq!(names(&client.call("LARDER.TAGS page:3")), [] as [&str; 0]);
    assert!(client.call("LARDER.TAGS absent").is_null());
    assert_eq!(client.call("LARDER.TAG page:3 pages late"), int(1));
    assert_eq!(client.call("LARDER.TAG absent pages"), int(0));
    // What changes a value keeps its tags, what replaces it drops them, what moves it takes them along.
    assert_eq!(client.call("APPEND page:3 !"), int(6));
    assert_eq!(client.call("EXPIRE page:3 100"), int(1));
    assert_eq!(client.call("RENAME page:3 page:4"), ok());
    assert_eq!(names(&client.call("LARDER.TAGS page:4")), ["pages", "late"]);
    assert_eq!(client.call("SET page:2 again KEEPTTL"), ok());
    assert_eq!(client.call("LARDER.PURGE TAG pages other"), int(2));
    assert!(client.call("GET page:1").is_null());
    assert!(client.call("GET page:4").is_null());
    assert_eq!(client.call("GET page:2"), bulk("again"));
    assert_eq!(client.call("KEYS *").items().map(<[Value]>::len), Some(1));
    let counted =
        larder_tests::poll_until(Duration::from_secs(5), || (client.call("DBSIZE") == int(1)).then_some(()));
    assert!(counted.is_some(), "DBSIZE still counts what was purged");
}

#[test]
fn purges_reach_what_they_name_in_the_selected_database() {
    let agent = agent();
    let mut client = agent.client();
    for database in 0..2 {
        client.call(&format!("SELECT {database}"));
        client.call("MSET user:1 a user:2 b order:1 c");
    }
    assert_eq!(client.call("LARDER.PURGE PREFIX user:"), int(1));
    assert_eq!(client.call("EXISTS user:1 user:2 order:1"), int(1));
    assert_eq!(client.call("LARDER.PURGE KEY order:1 absent"), int(2));
    assert_eq!(client.call("EXISTS order:1"), int(0));
    client.call("SELECT 0");
    assert_eq!(client.call("EXISTS user:1 user:2 order:1"), int(3));
    assert_eq!(client.call("LARDER.PURGE ALL"), int(1));
    assert_eq!(client.call("DBSIZE"), int(0));
    // Stored again, all is as before.
    client.call("MSET user:1 a user:2 b");
    assert_eq!(client.call("EXISTS user:1 user:2"), int(2));
    for wrong in ["LARDER.PURGE ALL x", "LARDER.PURGE KEY", "LARDER.PURGE WHAT x", "LARDER.SET k v TAGS 2 a"]
    {
        assert!(client.call(wrong).is_error(), "{wrong}");
    }
}

#[test]
fn a_watched_key_that_is_purged_fails_the_transaction() {
    let agent = agent();
    let (mut client, mut other) = (agent.client(), agent.client());
    for (store, purge) in [
        ("LARDER.SET k v TAGS 1 t", "LARDER.PURGE TAG t"),
        ("SET k v", "LARDER.PURGE PREFIX k"),
        ("SET k v", "LARDER.PURGE KEY k"),
        ("SET k v", "LARDER.PURGE ALL"),
    ] {
        client.call(store);
        client.call("WATCH k");
        other.call(purge);
        client.call("MULTI");
        client.call("PING");
        assert!(client.call("EXEC").is_null(), "{purge}");
    }
}

/// Two clients of one user; one loads while the source changes and the other invalidates.
#[test]
fn a_fill_that_an_invalidation_overtook_is_not_stored() {
    let agent = agent();
    let (mut loader, mut purger): (Client, Client) = (agent.client(), agent.client());
    for (store, purge) in [
        ("SET k old", "LARDER.PURGE KEY k"),
        ("LARDER.SET k old TAGS 1 t", "LARDER.PURGE TAG t"),
        ("SETEX k 100 old", "LARDER.PURGE PREFIX k"),
        ("MSET k old", "LARDER.PURGE ALL"),
    ] {
        assert!(loader.call("GET k").is_null());
        purger.call(purge);
        assert_eq!(loader.call(store), ok(), "{store}");
        assert!(loader.call("GET k").is_null(), "{store} after {purge}");
        // That was a miss after the invalidation: its fill is fresh.
        loader.call("SET k new");
        assert_eq!(loader.call("GET k"), bulk("new"), "{purge}");
        assert_eq!(loader.call("TTL k"), int(-1));
        loader.call("DEL k");
    }
    assert!(loader.call("GET k").is_null());
    purger.call("LARDER.PURGE KEY k");
    assert!(loader.call("SET k old NX").is_null());
    // A purge of one's own is no reason to refuse what one stores then.
    loader.call("LARDER.PURGE KEY k");
    assert_eq!(loader.call("SET k mine"), ok());
    assert_eq!(loader.call("GET k"), bulk("mine"));
    // Without a miss nobody knows how old it is.
    purger.call("LARDER.PURGE KEY unread");
    loader.call("SET unread value");
    assert!(matches!(loader.call("PTTL unread"), Value::Int(1..=5000)));
    let info = loader.call("LARDER.INFO");
    assert_eq!((field(&info, "fills_refused"), field(&info, "fills_unmatched")), (int(5), int(1)));
}

#[test]
fn why_tells_what_is_known_and_no_more() {
    let agent = agent();
    let mut client = agent.client();
    let mut reason = |key: &str| field(&client.call(&format!("LARDER.WHY {key}")), "reason");
    assert_eq!(reason("never"), bulk("never seen"));
    let mut client = agent.client();
    client.call("SET deleted v");
    client.call("DEL deleted");
    client.call("SET expired v PX 1");
    std::thread::sleep(Duration::from_millis(20));
    client.call("GET expired");
    client.call("LARDER.SET purged v TAGS 1 t");
    client.call("LARDER.PURGE TAG t");
    client.call("GET purged");
    for (key, expected) in [("deleted", "deleted"), ("expired", "expired"), ("purged", "invalidated")] {
        let why = client.call(&format!("LARDER.WHY {key}"));
        assert_eq!((field(&why, "state"), field(&why, "reason")), (bulk("absent"), bulk(expected)));
    }
    assert_eq!(field(&client.call("LARDER.WHY purged"), "by_invalidation"), int(1));
    let id = client.call("CLIENT ID");
    client.call("LARDER.SET here value EX 100 TAGS 1 t");
    let why = client.call("LARDER.WHY here");
    assert_eq!((field(&why, "state"), field(&why, "tier")), (bulk("present"), bulk("memory")));
    assert_eq!((field(&why, "value_bytes"), field(&why, "stored_by_client")), (int(5), id));
    assert_eq!(names(&field(&why, "tags")), ["t"]);
    client.call("FLUSHDB");
    assert_eq!(field(&client.call("LARDER.WHY here"), "reason"), bulk("no longer known"));
}
