//! What fuzzing found worth keeping, run through the same checks: `fuzz/README.md` says how it is found.

#[path = "../../fuzz/src/command.rs"]
pub mod command;
#[path = "../../fuzz/src/decode.rs"]
pub mod decode;
#[path = "../../fuzz/src/peer.rs"]
pub mod peer;
#[path = "../../fuzz/src/reply.rs"]
pub mod reply;

use std::path::Path;

use larder_agent::command::table::COMMANDS;

/// Fewer files than were written by hand mean that the corpus was not found.
const SEEDS: usize = 30;

/// Runs every input of a corpus; all that fail are named.
fn run_all(corpus: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(corpus);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("a corpus")
        .map(|entry| entry.expect("a readable corpus").path())
        .collect();
    files.sort();
    assert!(files.len() >= SEEDS, "{} inputs in {}", files.len(), directory.display());
    let fails = |file: &Path| {
        let data = std::fs::read(file).expect("a readable input");
        std::panic::catch_unwind(|| run(&data)).is_err()
    };
    let failed: Vec<_> = files.into_iter().filter(|file| fails(file)).collect();
    assert!(failed.is_empty(), "what went wrong stands above, for each of {failed:#?}");
}

#[test]
fn streams_are_the_same_whole_and_torn() {
    run_all("decode", decode::run);
}

#[test]
fn commands_reply_once_and_stay_within_the_limit() {
    run_all("command", command::run);
}

#[test]
fn the_dictionary_knows_every_command() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/command.dict"))
        .expect("a dictionary");
    let names = COMMANDS.iter().flat_map(|command| std::iter::once(command).chain(command.subcommands));
    let missing: Vec<_> = names
        .map(|command| command.short_name().to_uppercase())
        .filter(|name| !text.contains(&format!("\"{name}\"\n")))
        .collect();
    assert!(missing.is_empty(), "add to fuzz/command.dict: {missing:?}");
}

#[test]
fn the_reader_of_replies_takes_nothing_else() {
    for wrong in [
        "",
        "\r\n",
        "+OK",
        "+OK\n",
        "+O\rK\r\n",
        "+OK\r\n+OK\r\n",
        "-err\r\n",
        "-\r\n",
        ":01\r\n",
        ":\r\n",
        "$3\r\nab\r\n",
        "$1\r\nab\r\n",
        "$-2\r\n",
        "*2\r\n:1\r\n",
        "*-2\r\n",
        "?\r\n",
    ] {
        assert!(reply::read(wrong.as_bytes(), true).is_err(), "{wrong:?}");
    }
    for three in ["_\r\n", "%1\r\n:1\r\n:2\r\n", "~0\r\n", "=5\r\ntxt:a\r\n", ",1.5\r\n", "#t\r\n"] {
        assert!(reply::read(three.as_bytes(), true).is_ok(), "{three:?}");
        assert!(reply::read(three.as_bytes(), false).is_err(), "{three:?}");
    }
    assert_eq!(reply::read(b"*2\r\n$-1\r\n*1\r\n$2\r\n\r\n\r\n", false), Ok(reply::Reply::Elements(2)));
}
