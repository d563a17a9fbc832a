//! What fuzzing the journal found worth keeping, run through the same checks: `fuzz/README.md` says how it is found.

#[path = "../../fuzz/src/journal.rs"]
pub mod journal;

use std::path::{Path, PathBuf};

use larder_cache::journal::image::{recover, write};
use larder_cache::journal::{Reason, State};
use proptest::prelude::*;
use proptest::sample::Index;

/// Fewer files than were written by hand mean that the corpus was not found.
const SEEDS: usize = 30;

fn inputs() -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/journal");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("a corpus")
        .map(|entry| entry.expect("a readable corpus").path())
        .collect();
    files.sort();
    assert!(files.len() >= SEEDS, "{} inputs in {}", files.len(), directory.display());
    let read = |file: PathBuf| {
        let data = std::fs::read(&file).expect("a readable input");
        (file, data)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn a_journal_is_whole_torn_or_damaged() {
    let fails = |data: &[u8]| std::panic::catch_unwind(|| journal::run(data)).is_err();
    let failed: Vec<_> = inputs().into_iter().filter(|(_, data)| fails(data)).map(|(file, _)| file).collect();
    assert!(failed.is_empty(), "what went wrong stands above, for each of {failed:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn and_so_is_one_a_little_like_it(
        picked in any::<(Index, Index)>(),
        changes in proptest::collection::vec(any::<(Index, u8)>(), 0..6),
    ) {
        let inputs = inputs();
        let mut data = picked.0.get(&inputs).1.clone();
        data.extend_from_slice(picked.1.get(&inputs).1.get(2..).unwrap_or(&[1]));
        data.push(0);
        for (place, byte) in changes {
            *place.get_mut(&mut data) = byte;
        }
        journal::run(&data);
    }
}

/// What recovery makes of records, as the corpus has them.
fn read(records: &[(u8, &[u8])]) -> Result<State, Reason> {
    recover(&write(records.iter().copied(), 64).0)
}

#[test]
fn what_no_version_wrote_is_told_from_what_another_did() {
    let end: (u8, &[u8]) = (66, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(read(&[end]).map(|state| state.next_sequence), Ok(1));
    assert_eq!(read(&[]), Err(Reason::Unfinished));
    assert_eq!(read(&[end, (40, b"")]), Err(Reason::OtherFormat));
    assert_eq!(read(&[end, (1, b"short")]), Err(Reason::Damaged));
    assert_eq!(read(&[end, (1, b"too long a hash")]), Err(Reason::Damaged));
    assert_eq!(read(&[end, end]), Err(Reason::Damaged));
}
