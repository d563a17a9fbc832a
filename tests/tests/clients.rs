//! Real client libraries against the real agent: one test a name that `tests/clients/list` prints.
//!
//! Nothing is skipped: what a check needs is installed by `tests/clients/prepare`, which says what it misses itself.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use larder_tests::agent::Agent;
use larder_tests::once::{Ended, run_to_end};

fn script(name: &str) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(name);
    assert!(path.is_file(), "{} is missing from the repository", path.display());
    Command::new(path)
}

fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// Installs what the checks need, once a run; the second run finds everything in place.
fn prepare() {
    static PREPARED: OnceLock<Result<(), String>> = OnceLock::new();
    let prepared = PREPARED.get_or_init(|| {
        // The first time it downloads and compiles for minutes, which is over what a run of ours may take.
        let output = script("prepare").output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
        }
    });
    if let Err(what) = prepared {
        panic!(
            "tests/clients/prepare failed, so no client can be tested; install what it asks for and run it again \
             (it needs redis-tools, python3-venv, node with npm, go, a JDK with Maven, cargo, and their package registries):\n{what}"
        );
    }
}

fn check(name: &str) {
    prepare();
    // Checks share database numbers, so each has an agent of its own.
    let agent = Agent::builder().tcp().args(&["--memory", "256MiB"]).start();
    let ended = run_to_end(
        script("run")
            .arg(name)
            .env("LARDER_SOCKET", agent.socket())
            .env("LARDER_TCP", agent.tcp().to_string()),
    );
    assert_eq!(
        ended.code,
        Some(0),
        "{name} on the agent's socket:\n{}\nthe agent's log:\n{}",
        said(&ended),
        agent.log()
    );
    assert!(ended.stdout.contains("ok: "), "{name} checked nothing:\n{}", said(&ended));
}

macro_rules! checks {
    ($($test:ident: $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];
        $(#[test] fn $test() { check($name); })*
    };
}

checks! {
    redis_cli: "redis-cli",
    redis_benchmark: "redis-benchmark",
    redis_py: "redis-py",
    redis_py_5: "redis-py-5",
    django: "django",
    sqlalchemy: "sqlalchemy",
    aiocache: "aiocache",
    cashews: "cashews",
    ioredis: "ioredis",
    ioredis_5: "ioredis-5",
    node_redis: "node-redis",
    keyv: "keyv",
    go_redis: "go-redis",
    redis_rs: "redis-rs",
    fred: "fred",
    lettuce: "lettuce",
    jedis: "jedis",
}

#[test]
fn every_check_of_the_list_is_run_here() {
    let listed = run_to_end(&mut script("list"));
    assert_eq!(listed.code, Some(0), "{}", said(&listed));
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), NAMES);
}
