//! One read for all who want the same segment at the same time.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::ReadError;

pub(super) type Outcome = Result<Option<Bytes>, ReadError>;

/// Segments being read, and who waits for each beside the one who reads.
///
/// As many as there are callers at most: each waits for one segment at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    waiting: Arc<Mutex<HashMap<u64, Vec<oneshot::Sender<Outcome>>>>>,
}

/// Who reads a segment.
#[derive(Debug)]
pub(super) enum Turn {
    /// The caller does, and says what came of it.
    Ours(Reading),
    /// Somebody else does; if they give up, nothing comes.
    Theirs(oneshot::Receiver<Outcome>),
}

/// The duty to read a segment. Dropped without an outcome, those who wait try for themselves.
#[derive(Debug)]
pub(super) struct Reading {
    reads: Reads,
    /// None once it is done.
    number: Option<u64>,
}

impl Reads {
    pub(super) fn join(&self, number: u64) -> Turn {
        let mut waiting = self.waiting.lock();
        if let Some(others) = waiting.get_mut(&number) {
            let (sender, receiver) = oneshot::channel();
            others.push(sender);
            return Turn::Theirs(receiver);
        }
        waiting.insert(number, Vec::new());
        Turn::Ours(Reading { reads: self.clone(), number: Some(number) })
    }
}

impl Reading {
    pub(super) fn finish(mut self, outcome: &Outcome) {
        let number = self.number.take();
        let others = number.and_then(|number| self.reads.waiting.lock().remove(&number));
        for other in others.into_iter().flatten() {
            // Who does not wait any more does not mind.
            let _ = other.send(outcome.clone());
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            self.reads.waiting.lock().remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_later_gets_what_the_first_read() {
        let reads = Reads::default();
        let Turn::Ours(first) = reads.join(1) else { panic!("nobody reads yet") };
        let Turn::Theirs(second) = reads.join(1) else { panic!("it is being read") };
        assert!(matches!(reads.join(2), Turn::Ours(_)), "another segment");
        first.finish(&Ok(Some(Bytes::from_static(b"read"))));
        assert_eq!(second.await, Ok(Ok(Some(Bytes::from_static(b"read")))));
        assert!(matches!(reads.join(1), Turn::Ours(_)), "the next reads again");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_it_to_the_others() {
        let reads = Reads::default();
        let Turn::Ours(first) = reads.join(1) else { panic!("nobody reads yet") };
        let Turn::Theirs(second) = reads.join(1) else { panic!("it is being read") };
        drop(first);
        assert!(second.await.is_err());
        assert!(matches!(reads.join(1), Turn::Ours(_)));
    }
}
