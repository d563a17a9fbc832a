//! Recovery must take a journal for what it is: whole, torn or damaged, whatever its records say.
//!
//! Input: two bytes that say what is damaged and how; then records, each a kind, a length and so many bytes. Of an input that
//! begins with a zero the rest is also taken for what stands behind the header, as it is.

use larder_cache::journal::image::{recover, wrap, write};
use larder_cache::journal::{Reason, State};

/// More of an input says nothing new.
const RECORDS_MAX: usize = 256;
/// Up to this length a journal is also torn at every byte.
const BYTEWISE_MAX: usize = 512;
const ROOM: usize = 64;

/// Runs one input.
///
/// # Panics
/// If recovery does what it must not.
pub fn run(data: &[u8]) {
    let [place, flip, records @ ..] = data else { return };
    if *place == 0 {
        let mut plain = wrap(data);
        plain.resize(plain.len() + ROOM, 0);
        let read = recover(&plain);
        assert!(matches!(read, Err(Reason::Damaged | Reason::Unfinished)), "nobody wrote that: {read:?}");
    }
    let mut rest = records;
    let records = std::iter::from_fn(|| {
        let [kind, length, behind @ ..] = rest else { return None };
        let (body, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        Some((*kind, body))
    });
    let (image, ends) = write(records.take(RECORDS_MAX), ROOM);
    let whole = recover(&image);
    assert_eq!(recover(&image), whole, "read again, it is another journal");
    if let Ok(state) = &whole {
        bounded(state, ends.len());
        assert_eq!(state.torn, 0, "nothing is torn");
    }
    let (start, end) = (ends[0], ends[ends.len() - 1]);
    torn(&image, &ends, whole.as_ref());
    damaged(image, start..end, usize::from(*place), *flip);
}

/// What is held is no more than what was said.
fn bounded(state: &State, records: usize) {
    let controls: usize = state.controls.values().map(|controls| controls.len()).sum();
    let held = state.gone.len() + state.segments.len() + state.invalidations.len() + controls;
    assert!(held <= records, "{held} things of {records} records");
    assert!(state.roots.databases.len() <= 2 * records && state.roots.cold.len() <= records);
}

/// Cut short anywhere it is what it was before, and never taken for damaged.
fn torn(image: &[u8], ends: &[usize], whole: Result<&State, &Reason>) {
    let (start, end) = (ends[0], ends[ends.len() - 1]);
    let step = if end - start <= BYTEWISE_MAX { 1 } else { (end - start).div_ceil(64) };
    let mut torn = image.to_vec();
    let mut last = whole.map_or(u64::MAX, |state| state.next_sequence);
    for at in (start..end).rev().step_by(step) {
        torn[at..].fill(0);
        match recover(&torn) {
            Ok(state) => {
                assert!(state.next_sequence <= last, "it says more when it is shorter");
                last = state.next_sequence;
                let whole = ends.iter().rfind(|&&end| end <= at).map_or(start, |&end| end);
                assert!(state.torn as usize <= at - whole, "a whole record is taken for torn");
            }
            Err(reason) => assert!(
                reason == Reason::Unfinished || whole.is_err(),
                "cut short at {at} it is {reason:?}, and was not"
            ),
        }
    }
}

/// With one byte changed it is not believed, but for the end of the last record made what it was before it was written.
fn damaged(mut image: Vec<u8>, written: std::ops::Range<usize>, place: usize, flip: u8) {
    if written.is_empty() || flip == 0 {
        return;
    }
    for at in written.clone().skip(place).step_by(256) {
        image[at] ^= flip;
        let is_torn = at == written.end - 1 && image[at] == 0;
        assert!(is_torn || recover(&image).is_err(), "byte {at} was changed, and it is believed");
        image[at] ^= flip;
    }
}
