//! A command's arguments, as they lie in the bytes that arrived.

use bytes::Bytes;
use larder_cache::NewValue;

use super::failure::{Failure, NOT_AN_INTEGER};
use super::table::Command;
use crate::resp::{Span, number};

/// An argument may be kept by reference if at most one part in so many of its allocation is something else.
const FOREIGN_SHARE_MAX: usize = 64;

/// What C sees of a string: all before the first NUL. Where Redis looks no further, neither do we.
#[must_use]
pub(super) fn before_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Arguments, the command's name first.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    frame: &'a [u8],
    spans: &'a [Span],
    /// The allocation that holds the frame, if it holds nothing else.
    owner: Option<&'a Bytes>,
}

impl<'a> Args<'a> {
    /// Arguments that lie in `frame`.
    #[must_use]
    pub fn new(frame: &'a [u8], spans: &'a [Span]) -> Self {
        Self { frame, spans, owner: None }
    }

    /// Arguments that lie in an allocation of their own.
    #[must_use]
    pub fn owned(owner: &'a Bytes, spans: &'a [Span]) -> Self {
        Self { frame: owner, spans, owner: Some(owner) }
    }

    /// How many there are, the name included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Never true of a command that was decoded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at a place that the command's arity promises.
    #[inline]
    #[must_use]
    pub fn at(&self, place: usize) -> &'a [u8] {
        self.spans[place].of(self.frame)
    }

    /// The argument at a place, if there is one.
    #[inline]
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&'a [u8]> {
        self.spans.get(place).map(|span| span.of(self.frame))
    }

    /// The arguments from a place on.
    pub fn from(&self, place: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let frame = self.frame;
        self.spans[place.min(self.spans.len())..].iter().map(move |span| span.of(frame))
    }

    /// Whether the argument at a place is this word, in any case.
    #[inline]
    #[must_use]
    pub fn is(&self, place: usize, word: &str) -> bool {
        self.get(place).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The argument at a place as an integer.
    ///
    /// # Errors
    /// If it is none.
    #[inline]
    pub fn int(&self, place: usize) -> Result<i64, Failure> {
        number::parse_i64(self.at(place)).ok_or(NOT_AN_INTEGER)
    }

    /// The argument at a place as a value to store: by reference where that wastes nothing.
    #[inline]
    #[must_use]
    pub fn value(&self, place: usize) -> NewValue<'a> {
        let value = self.at(place);
        match self.owner {
            Some(owner)
                if value.len() > larder_cache::VALUE_INLINE_MAX
                    && owner.len() - value.len() <= owner.len() / FOREIGN_SHARE_MAX =>
            {
                NewValue::Shared(owner.slice_ref(value))
            }
            _ => NewValue::Copied(value),
        }
    }

    /// Bytes of all arguments.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.owner.map_or_else(|| self.spans.iter().map(|span| span.of(self.frame).len()).sum(), Bytes::len)
    }

    /// A copy that waits for EXEC.
    #[must_use]
    pub fn queue(&self, command: &'static Command) -> Queued {
        let frame = self.owner.cloned().unwrap_or_else(|| Bytes::copy_from_slice(self.frame));
        Queued { command, frame, spans: self.spans.into() }
    }
}

/// A command of a transaction, waiting.
#[derive(Clone, Debug)]
pub struct Queued {
    /// What to run.
    pub command: &'static Command,
    frame: Bytes,
    spans: Box<[Span]>,
}

impl Queued {
    /// Its arguments.
    #[must_use]
    pub fn args(&self) -> Args<'_> {
        Args::owned(&self.frame, &self.spans)
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frame.len() + self.spans.len() * size_of::<Span>() + size_of::<Self>()
    }
}
