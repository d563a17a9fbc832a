//! The journal against a world that knows what is true.

mod compaction;
mod failing;
mod figures;
mod recovering;
mod threads;
mod world;

use std::path::Path;

use super::io::{Io, Real};
use super::{Journal, OpenOptions, Recovery, State};

const BOOT: [u8; 16] = [7; 16];

fn options() -> OpenOptions {
    OpenOptions { databases: world::DATABASES.into(), ..OpenOptions::default() }
}

fn open(directory: &Path) -> (Journal, Recovery) {
    open_with(directory, Box::new(Real))
}

fn open_with(directory: &Path, io: Box<dyn Io>) -> (Journal, Recovery) {
    Journal::open_with(directory, options(), BOOT, io).expect("a journal")
}

fn warm(recovery: Recovery) -> State {
    match recovery {
        Recovery::Warm(state) => *state,
        Recovery::Cold(reason) => panic!("cold: {reason:?}"),
    }
}
