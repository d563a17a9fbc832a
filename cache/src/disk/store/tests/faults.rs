//! A disk without room, and one that stops taking writes.
//!
//! Limits hold for a whole process, so each of these runs in one of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::timeout;

use super::super::{OpenError, Refused, Store, files, shape::Shape};
use super::{MIB, directory, fill, intact, options, segment};

/// What does not wait for ever takes less.
const SOON: Duration = Duration::from_secs(20);

/// Runs an ignored test of this file in a shell, by what launches the command that follows.
fn run_in_shell(launch: &str, test: &str, directory: &Path) {
    let test = format!("disk::store::tests::faults::{test}");
    let output = Command::new("sh")
        .args(["-c", &format!("{launch} \"$0\" --exact {test} --ignored")])
        .arg(std::env::current_exe().expect("this test"))
        .env("LARDER_TEST_DIRECTORY", directory)
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn given() -> PathBuf {
    std::env::var_os("LARDER_TEST_DIRECTORY").expect("a directory").into()
}

/// Files longer than this fail to grow, as on a full disk.
fn limit_files(bytes: u64) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum }).expect("a limit");
}

#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn opens_without_room() {
    limit_files(MIB / 2);
    let refused = Store::open(options(&given())).await;
    assert!(matches!(refused, Err(OpenError::NoRoom)), "{refused:?}");
    assert!(super::files(&given()).is_empty(), "something was left behind");
}

#[test]
fn without_room_nothing_is_left_behind() {
    run_in_shell("trap '' XFSZ; exec", "opens_without_room", directory().path());
}

#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn reserves_more_than_there_is() {
    // The fifth of 16 files finds it full.
    let shape = Shape::new(16 * MIB, 64 << 20).expect("a shape");
    let refused = files::reserve_all(&given(), shape);
    assert!(matches!(refused, Err(OpenError::NoRoom)), "{refused:?}");
    assert!(super::files(&given()).is_empty(), "something was left behind");
    std::fs::write(given().join("other"), vec![1; 4 << 20]).expect("the room is free again");
}

#[test]
fn a_disk_that_fills_up_half_way_is_left_as_it_was() {
    let directory = directory();
    let may_mount =
        Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        println!("skipped: a mount of one's own is not permitted here");
        return;
    }
    let mounted =
        "unshare -rm sh -c 'mount -t tmpfs -o size=4500k none \"$LARDER_TEST_DIRECTORY\" && exec \"$@\"' sh";
    // The shell's own `exec` then runs `unshare`, whose shell runs the test.
    run_in_shell(&format!("exec {mounted}"), "reserves_more_than_there_is", directory.path());
}

#[tokio::test]
#[ignore = "run by others, in a process of its own"]
async fn loses_its_disk() {
    let store = Store::open(options(&given())).await.expect("a store");
    fill(&store, 0..200).await;
    limit_files(0);
    // From one block to the next.
    let mut taken = 0;
    for number in 200..500 {
        taken += u64::from(store.write(number, segment(number, super::packed(&store))).is_ok());
    }
    timeout(SOON, store.settle()).await.expect("settling waits for ever");
    assert!((200..500).all(|number| !store.holds(number)), "what failed is not there");
    assert_eq!((store.figures().writes_failed, store.has_stopped()), (taken, true));
    limit_files(u64::MAX >> 1);
    assert_eq!(store.write(600, segment(600, 100)), Err(Refused::Stopped));
    timeout(SOON, store.settle()).await.expect("settling waits for ever");
    assert_eq!(intact(&store, 0..200).await, 200, "what was there is there");
    timeout(SOON, store.close()).await.expect("closing waits for ever");
    let store = Store::open(options(&given())).await.expect("a store");
    fill(&store, 700..720).await;
    assert_eq!(intact(&store, 700..720).await, 20, "it begins again");
    assert_eq!(intact(&store, 0..200).await, 200);
    store.close().await;
}

#[test]
fn a_disk_that_takes_no_more_is_noticed() {
    run_in_shell("trap '' XFSZ; exec", "loses_its_disk", directory().path());
}
